"""Databases: how to log in, and their rows as Arrow streams."""
