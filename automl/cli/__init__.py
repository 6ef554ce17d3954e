"""The `automl` command."""
