"""Work done in order on a thread of its own, off the search's loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class Later:
    """Calls what it is given, one after the other, and returns at once."""

    def __init__(self, name: str) -> None:
        self.pool = ThreadPoolExecutor(1, name)
        self.futures: deque[Future[Any]] = deque()

    def __call__(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Raises what an earlier call raised."""
        while self.futures and self.futures[0].done():
            self.futures.popleft().result()
        future = self.pool.submit(work, *arguments)
        self.futures.append(future)
        return future

    def close(self) -> None:
        """Wait for all of it."""
        self.pool.shutdown()
        while self.futures:
            self.futures.popleft().result()


class AtOnce(Later):
    """Does the work before it returns: for a clock that waits for nothing."""

    def __call__(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(work(*arguments))
        return future
