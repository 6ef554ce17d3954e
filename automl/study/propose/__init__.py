"""The choice of the next trial."""
