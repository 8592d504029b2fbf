"""What a model is: features, target, network, training and export. Knows nothing of pipeline/ or serving/."""
