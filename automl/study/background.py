"""A thread that does work in order, off the search's loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class BackgroundThread:
    """Calls the functions that it is given, one after the other, and returns at once.

    What follows a call that raised is not done: it builds on that. `raised` is what it raised.
    """

    def __init__(self, name: str) -> None:
        self.executor = ThreadPoolExecutor(1, name)
        self.futures: deque[Future[object]] = deque()
        self.raised: BaseException | None = None

    def __call__(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have a call made. Raises what an earlier call raised."""
        while self.futures and self.futures[0].done():
            self.futures.popleft().result()
        future = self.executor.submit(self._make, partial(work, *args, **kwargs))
        self.futures.append(future)  # type: ignore[arg-type]
        return future

    def close(self) -> None:
        """Wait for all of the calls. Raises what one of them raised."""
        self.executor.shutdown()
        while self.futures:
            self.futures.popleft().result()

    def _make(self, work: Callable[[], T]) -> T:
        if self.raised is not None:
            raise self.raised
        try:
            return work()
        except BaseException as error:
            self.raised = error
            raise


class Immediately(BackgroundThread):
    """Does the work before it returns: for a clock that waits for nothing."""

    def __call__(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        future.set_result(work(*args, **kwargs))
        return future
