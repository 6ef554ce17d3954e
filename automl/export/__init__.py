"""Exported files, one format per file."""
