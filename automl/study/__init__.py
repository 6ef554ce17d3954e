"""A search: its proposals, results and budgets, in Optuna's storage."""
