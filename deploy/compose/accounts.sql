-- The tracking server's accounts have a database of their own.
CREATE DATABASE mlflow_auth;
