"""The gate and the figures: all that is claimed of an exported file."""
