"""Runtimes that execute an exported file, one per file."""
