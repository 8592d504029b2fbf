"""Rows to predict: read from files in chunks, kept with their answers in parts, written as one file."""
