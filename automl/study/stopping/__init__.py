"""The verdicts on running trials: go on, or pause."""
