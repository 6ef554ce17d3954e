"""Ready search spaces: each picks combinations, none holds logic."""
