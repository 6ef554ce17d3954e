"""What is claimed of an exported file: the gate and the figures."""
