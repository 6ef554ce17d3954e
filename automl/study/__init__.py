"""The study: proposals, results, budgets, in Optuna's storage."""
