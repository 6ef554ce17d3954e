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
    """Forget the modules of a folder and of space files, and what was seen of them."""
    for name, module in list(sys.modules.items()):
        is_there = str(folder) in repr(vars(module).get("__spec__"))
        if is_there or name.startswith(SPACE_MODULE_PREFIX):
            del sys.modules[name]
    importlib.invalidate_caches()
    kept = (user_code.of_module, user_code.of_imports, user_code._read, imported._source)
    for function in (*kept, own_metrics.source):
        function.cache_clear()
