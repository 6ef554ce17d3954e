"""A thread that does work in order, off the search's loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class BackgroundThread:
    """Calls the functions that it is given, one after the other, and returns at once."""

    def __init__(self, name: str) -> None:
        self.executor = ThreadPoolExecutor(1, name)
        self.futures: deque[Future[object]] = deque()

    def __call__(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have a call made. Raises what an earlier call raised."""
        while self.futures and self.futures[0].done():
            self.futures.popleft().result()
        future = self.executor.submit(work, *args, **kwargs)
        self.futures.append(future)  # type: ignore[arg-type]
        return future

    def close(self) -> None:
        """Wait for all of the calls. Raises what one of them raised."""
        self.executor.shutdown()
        while self.futures:
            self.futures.popleft().result()


class Immediately(BackgroundThread):
    """Does the work before it returns: for a clock that waits for nothing."""

    def __call__(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        future.set_result(work(*args, **kwargs))
        return future
