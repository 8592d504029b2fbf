"""The data gate: what must hold of data before a model is trained on it."""
