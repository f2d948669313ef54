"""A function of the user that is called with events at its own pace: a coroutine on the loop, others in a thread."""

import asyncio
import inspect
import threading
from collections.abc import Callable, Iterator
from typing import Any

from gapless.errors import sentence_of
from gapless.hub.waiting import Waiting

_BREATH = 100  # events after which the loop may do something else


class Callback:
    """One function that listens to one event. One that raises is counted and told once, and goes on with the next.

    A coroutine function runs as a task of the loop; any other function in a thread of its own, so that one that takes
    long holds up nothing else. `failed` is called, on the loop, with the first error.
    """

    def __init__(self, event: str, function: Callable[[Any], Any], failed: Callable[["Callback", str], None]) -> None:
        self.event = event
        self.function = function
        self.calls = self.errors = 0
        self._failed = failed
        self._on_loop = _is_coroutine(function)
        self._ending = self._left = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()
        self._woken_thread = threading.Event()
        self._done = asyncio.Event()
        self.waiting = Waiting(self._woken.set if self._on_loop else self._woken_thread.set)

    @property
    def name(self) -> str:
        """What the function is called."""
        return str(getattr(self.function, "__qualname__", repr(self.function)))

    def begin(self) -> None:
        """Call from now on; within a running loop."""
        self._loop = asyncio.get_running_loop()
        if self._on_loop:
            self._task = self._loop.create_task(self._follow(), name=f"callback {self.name}")
        else:
            # A daemon: a function that never comes back must not keep the process.
            threading.Thread(target=self._follow_in_thread, name=f"callback {self.name}", daemon=True).start()

    def leave(self) -> None:
        """Call no more, but for the call that is under way."""
        self._left = True
        self._end()

    async def finish(self, *, within: float) -> None:
        """Call with what waits still, for so many seconds at most, and end."""
        if self._loop is None:
            return
        self._end()
        try:
            async with asyncio.timeout(within):
                await self._done.wait()
        except TimeoutError:
            if self._task:
                self._task.cancel()

    def _end(self) -> None:
        self._ending = True
        self._woken.set()
        self._woken_thread.set()

    def _taken(self) -> Iterator[Any]:
        for _, value in self.waiting.take():
            if self._left:
                return
            self.calls += 1
            yield value

    @property
    def _over(self) -> bool:
        return self._left or (self._ending and not self.waiting)

    async def _follow(self) -> None:
        while not self._over:
            await self._woken.wait()
            self._woken.clear()
            for value in self._taken():
                try:
                    await self.function(value)
                except asyncio.CancelledError as error:
                    if self._task and self._task.cancelling():
                        raise
                    self._wrong(error)  # something that it waited for was cancelled
                except Exception as error:  # whatever it is, it is the user's and stops nobody else
                    self._wrong(error)
                if self.calls % _BREATH == 0:
                    await asyncio.sleep(0)
        self._done.set()

    def _follow_in_thread(self) -> None:
        while not self._over:
            self._woken_thread.wait()
            self._woken_thread.clear()
            for value in self._taken():
                try:
                    self.function(value)
                except Exception as error:
                    self._wrong(error)
        self._tell(self._done.set)

    def _wrong(self, error: BaseException) -> None:
        self.errors += 1
        if self.errors == 1:
            self._tell(self._failed, self, sentence_of(error))

    def _tell(self, call: Callable[..., None], *values: Any) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *values)


def _is_coroutine(function: Callable[[Any], Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)
