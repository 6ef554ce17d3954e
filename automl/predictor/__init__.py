"""A model that was taken away, asked: rows as a user has them in, answers out; served, too."""
