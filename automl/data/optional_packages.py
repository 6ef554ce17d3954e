"""Optional packages, imported when something needs them."""

from __future__ import annotations

import importlib
from types import ModuleType

from automl.errors import UserError, described


def package(name: str, user: str, extra: str) -> ModuleType:
    """An optional package, or a module of its. Raises UserError, with how to install it, where it
    is missing or does not import; `user` is what needs it, `extra` what brings it."""
    top = name.partition(".")[0]
    try:
        return importlib.import_module(name)
    except ImportError:
        raise UserError(
            f"{user} needs the package {top!r}; install it: pip install 'frontier-automl[{extra}]'"
        ) from None
    except Exception as error:
        raise UserError(
            f"{user} needs the package {top!r}, which does not import here ({described(error)}); "
            "install the build of it that fits your torch"
        ) from error
