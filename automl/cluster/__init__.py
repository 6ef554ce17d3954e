"""Running trials on Ray."""

from automl.cluster import environment as environment
