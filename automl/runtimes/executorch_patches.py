"""A private name of ExecuTorch, with the reason and what it waits for."""

from __future__ import annotations

from executorch.extension.pybindings import portable_lib


def use_threads(count: int) -> None:
    """Have files that are loaded from now on run on so many threads.

    ExecuTorch has one pool of threads in a process, of a size by the processor. Files that were
    loaded before must not run any more. Seen in ExecuTorch 1.3; waits for a public name.
    """
    if portable_lib._threadpool_get_thread_count() != count:
        portable_lib._unsafe_reset_threadpool(count)
