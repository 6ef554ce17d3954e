"""A search and one of its models, explained."""
