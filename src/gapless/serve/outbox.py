"""What waits for one client that is pushed events: newest values replace each other, of others the oldest go."""

from collections.abc import Hashable
from itertools import count, islice
from typing import Any

MOST = 1_000  # events that wait for one client, beside one newest value of each kind and instrument


class Outbox:
    """Events for one client, in order. One with a key takes the place of that which waits under it.

    Beyond `most` events without a key the oldest are left out and counted; whoever takes is told first how many, from
    when to when (ms UTC).
    """

    def __init__(self, *, most: int = MOST) -> None:
        self.missed = 0
        self._most = most
        self._waiting: dict[Hashable, tuple[Any, int]] = {}
        self._unkeyed: dict[int, None] = {}
        self._numbers = count()
        self._lost: tuple[int, int, int] | None = None  # from, to, how many since it was told

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, packet: Any, at: int, key: Hashable | None = None) -> None:
        """Add an event of a time, ms UTC."""
        if key is not None:
            self._waiting[key] = packet, at
            return
        number = next(self._numbers)
        self._waiting[number] = packet, at
        self._unkeyed[number] = None
        if len(self._unkeyed) > self._most:
            oldest = next(iter(self._unkeyed))
            del self._unkeyed[oldest]
            self.lose(self._waiting.pop(oldest)[1])

    def lose(self, at: int, events: int = 1) -> None:
        """Count events that were left out."""
        since, until, lost = self._lost or (at, at, 0)
        self._lost = min(since, at), max(until, at), lost + events
        self.missed += events

    def take(self, most: int) -> tuple[dict[str, int] | None, list[Any]]:
        """Give what was left out since it was last told, and the next packets, at most so many."""
        lost, self._lost = self._lost, None
        keys = list(islice(self._waiting, most))
        packets = [self._waiting.pop(key)[0] for key in keys]
        for key in keys:
            self._unkeyed.pop(key, None)  # type: ignore[call-overload]
        return ({"from": lost[0], "to": lost[1], "missed": lost[2]} if lost else None), packets
