"""The events of a search on disk, their way to MLflow, and a search's pages."""
