"""A search from its start to its end."""
