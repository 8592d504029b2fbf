"""Batch scoring: rows of any source through a pushed version, piece by piece, on any Beam runner."""
