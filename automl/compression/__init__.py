"""Compression steps, one technique per file."""
