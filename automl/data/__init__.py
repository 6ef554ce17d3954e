"""Datasets, one kind of source per file."""
