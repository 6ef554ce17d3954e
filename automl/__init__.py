"""Finds the best compressed model for your data: one joint search, on Ray.

`automl.search(space, trials=…)` is the command of that name; see `automl.api`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automl.api import resume, search
    from automl.found import Search

__all__ = ["Search", "resume", "search"]


def __getattr__(name: str) -> Any:
    """Load the interface on first use: `import automl` alone stays light."""
    if name in __all__:
        from automl import api

        return getattr(api, name)
    raise AttributeError(f"module 'automl' has no attribute {name!r}")
