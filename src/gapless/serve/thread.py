"""A thread beside the loop, for reads that would hold it up."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class ReadingThread:
    """Runs functions one after the other in a thread of its own, so that a connection has one user."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def run(self, work: Callable[P, R], *args: P.args, **named: P.kwargs) -> R:
        """Run `work` in the thread and give what it gave."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: work(*args, **named))

    def close(self) -> None:
        """Let the thread end with what it is doing."""
        self._pool.shutdown(wait=False, cancel_futures=True)
