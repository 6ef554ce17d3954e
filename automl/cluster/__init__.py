"""Running trials on Ray."""

from automl.cluster import ray_environment as ray_environment
