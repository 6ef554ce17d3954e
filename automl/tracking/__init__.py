"""The result page in MLflow."""
