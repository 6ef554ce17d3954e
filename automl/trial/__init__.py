"""A single trial: a recipe run through the store, exported, gated and measured."""
