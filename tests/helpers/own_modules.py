"""Modules of a user's own, written and edited between processes that this one plays in turn."""

import importlib
import sys

from automl import user_code
from automl.config import SPACE_MODULE_PREFIX
from automl.models import imported
from automl.space import own_metrics


def write(folder, files):
    """Write files below a folder, and be as a process that has imported none of them yet."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    begin_anew(folder)


def begin_anew(folder):
    """Forget the modules of a folder and the space files that import them, and what was seen of
    them; the space files of other tests stay."""
    gone = {name for name, own in sys.modules.items() if str(folder) in repr(_spec_of(own))}
    for name, module in list(sys.modules.items()):
        if name in gone or (name.startswith(SPACE_MODULE_PREFIX) and _takes_from(module, gone)):
            del sys.modules[name]
    importlib.invalidate_caches()
    kept = (user_code.of_module, user_code.of_imports, user_code._read, imported._source)
    for function in (*kept, own_metrics.source):
        function.cache_clear()


def _spec_of(module):
    return vars(module).get("__spec__")


def _takes_from(module, names):
    """Whether a module holds modules of these names, or their classes and functions."""
    values = vars(module).values()
    return any({getattr(v, "__module__", ""), getattr(v, "__name__", "")} & names for v in values)
