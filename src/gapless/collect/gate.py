"""The order in which requests leave: the most important first, few at a time."""

import asyncio
from bisect import insort
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from msgspec import Struct

from gapless.budget.priority import Priority
from gapless.model import SECOND
from gapless.ports import Clock

_LOOK_AGAIN = 5 * SECOND  # long waits are cut short: another process may have changed what we wait for
_TURNS = 3  # of the event loop: read, decode, wake whoever waits


class Place(Struct, eq=False):
    """A place among those who wait; a request that is tried again keeps it."""

    priority: Priority
    number: int
    woken: asyncio.Event


class Gate:
    """Lets at most `most` requests of this process be in flight.

    Only the first of those who wait asks whether it may leave, and while it waits for that, whoever comes and is more
    important goes before it.
    """

    def __init__(self, clock: Clock, most: int) -> None:
        self._clock = clock
        self._most = most
        self._flying = 0
        self._number = 0
        self._waiting: list[Place] = []

    def place(self, priority: Priority) -> Place:
        """Give a place behind all of the same priority."""
        self._number += 1
        return Place(priority, self._number, asyncio.Event())

    @asynccontextmanager
    async def turn(self, place: Place, ask: Callable[[], int]) -> AsyncIterator[None]:
        """Hold a turn: entered when `ask` gave 0, which is asked again after as many ns as it gave before."""
        await self._wait(place, ask)
        try:
            yield
        finally:
            self._flying -= 1
            self._wake()

    async def _wait(self, place: Place, ask: Callable[[], int]) -> None:
        insort(self._waiting, place, key=lambda one: (one.priority, one.number))
        try:
            while True:
                # What has been received is heard before anything leaves: it may be a refusal.
                for _ in range(_TURNS):
                    await asyncio.sleep(0)
                place.woken.clear()
                if self._waiting[0] is not place or self._flying == self._most:
                    await place.woken.wait()
                elif wait := ask():
                    await self._clock.sleep(min(wait, _LOOK_AGAIN))
                else:
                    self._flying += 1
                    return
        finally:
            self._waiting.remove(place)
            self._wake()

    def _wake(self) -> None:
        if self._waiting and self._flying < self._most:
            self._waiting[0].woken.set()
