"""The TFX components that are ours, each with its executor."""
