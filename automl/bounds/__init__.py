"""Bounds of a trial, known before any work: the least bytes of its file, and its steps' work."""
