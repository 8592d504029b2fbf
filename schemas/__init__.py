"""Curated schemas (NAME.pbtxt) and the code that reads, writes and applies them."""
