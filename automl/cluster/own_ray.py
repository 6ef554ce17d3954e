"""A Ray of this machine alone, which begins in a thread while its driver loads and plans.

`begin` is called as soon as it is known that one is needed, `used` when it is.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import ray

# All of Ray that two threads might load at once, each from another end.
import ray.autoscaler.sdk

from automl.errors import UserError
from automl.retry import patient

SLOW_START = "The current node timed out during startup"
"""What Ray says where its processes are not up within half a minute."""
PRELOAD = "RAY_preload_python_modules"
"""Ray's setting for what its workers import before they are given anything to do."""
WAITING = {
    PRELOAD: "automl.cluster.preload",
    # Ray may end workers that have waited for a second when their cores are reserved, which is
    # when trials are about to begin in them; seen in Ray 2.60, on a loaded machine.
    "RAY_idle_worker_killing_time_threshold_ms": "3600000",
}


class OwnRay:
    """A Ray that starts in a thread; with `preloads` its workers import what trials need, and wait.

    The thread stays until the end: on Linux the processes that Ray starts end with it.
    """

    def __init__(self, preloads: bool) -> None:
        new = WAITING.keys() - os.environ.keys() if preloads and PRELOAD not in os.environ else ()
        self.settings = {name: WAITING[name] for name in new}
        os.environ.update(self.settings)
        self.ready, self.is_over, self.is_used = Future[None](), threading.Event(), False
        self.thread = threading.Thread(target=self._stay, daemon=True)
        self.thread.start()

    def wait(self) -> None:
        """Wait until Ray is ready. Raises UserError where the machine is too busy for its start."""
        if error := self.ready.exception():
            self.forget()
            if _is_too_slow(error):
                raise UserError(
                    "Ray did not start within two minutes: this machine is too busy; "
                    "end other work on it, and try again"
                ) from None
            raise error
        self.is_used = True

    def forget(self) -> None:
        """Have nothing left of a Ray that was shut down."""
        self.is_over.set()
        for name in self.settings:
            del os.environ[name]
        _begun.remove(self)

    def _stay(self) -> None:
        try:
            _start()
        except BaseException as error:
            self.ready.set_exception(error)
        else:
            self.ready.set_result(None)
            self.is_over.wait()


def _is_too_slow(error: BaseException) -> bool:
    return SLOW_START in str(error)


@patient(_is_too_slow)
def _start() -> None:
    """Start Ray from this thread, and anew for two minutes where a busy machine is too slow."""
    try:
        ray.init(
            address="local",
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except Exception as error:
        if _is_too_slow(error):
            _kill_started_by(threading.get_native_id())
        raise


_begun: list[OwnRay] = []
"""The Ray of this process, if it has begun one."""


def begin(preloads: bool) -> OwnRay:
    """The Ray of this process, begun now unless it was before; it is ready some seconds later."""
    if not _begun:
        if threading.current_thread() is threading.main_thread():
            # As Ray does where it is started in the main thread.
            signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(number))
        _begun.append(OwnRay(preloads))
    return _begun[0]


def is_begun() -> bool:
    """Tell whether the Ray of this process was begun, and is not used yet."""
    return bool(_begun) and not _begun[0].is_used


@contextlib.contextmanager
def used(preloads: bool) -> Iterator[None]:
    """The Ray of this process, waited for and shut down at the end."""
    own = begin(preloads)
    own.wait()
    try:
        yield
    finally:
        ray.shutdown()
        own.forget()


def leave(code: int) -> None:
    """End this process where its Ray was begun and is not used, with all that this has started.

    Else Ray would start in full, which takes seconds, and then be ended, which takes one more.
    """
    if not is_begun():
        return
    _kill_started_by(_begun[0].thread.native_id)
    os._exit(code)


def _kill_started_by(thread: int | None) -> None:
    for process in _started_by(f"{os.getpid()}/task/{thread}"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def _started_by(task: str) -> list[int]:
    """The processes that a task of Linux has started, and those that they have; none elsewhere,
    where Ray has a process that ends them."""
    try:
        started = [int(pid) for pid in Path(f"/proc/{task}/children").read_text().split()]
    except OSError:
        return []
    tasks = [
        f"{pid}/task/{one.name}" for pid in started for one in Path(f"/proc/{pid}/task").glob("*")
    ]
    return [*started, *itertools.chain.from_iterable(map(_started_by, tasks))]
