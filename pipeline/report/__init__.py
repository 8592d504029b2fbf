"""The run report: one HTML file a run that needs no network, from the examples and what the components left."""
