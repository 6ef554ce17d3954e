"""Training as a step: optimizers, schedules, losses, parallelism, and the loop."""
