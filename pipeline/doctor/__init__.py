"""What `penstock doctor` looks at: one file a kind of thing, each without TensorFlow."""
