"""What waits for one listener: the newest events, and the count of those that did not fit."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from gapless.hub.events import Lagged

MOST = 10_000


class Waiting:
    """A bounded queue with a rule: the oldest give way, and whoever takes is told how many.

    One thread puts, one takes. `woken` is called, by the one that puts, when there is something again. `lagged` counts
    what was left out.
    """

    def __init__(self, woken: Callable[[], None], *, most: int = MOST) -> None:
        self.lagged = 0
        self._woken = woken
        self._queue: deque[tuple[str, Any]] = deque(maxlen=most)
        self._put = self._taken = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, event: str, value: Any) -> None:
        """Add an event."""
        with self._lock:
            first = not self._queue
            self._queue.append((event, value))
            self._put += 1
        if first:
            self._woken()

    def take(self) -> list[tuple[str, Any]]:
        """Give all that waits, oldest first; what was left out before it is told by a `Lagged`."""
        with self._lock:
            found, put = list(self._queue), self._put
            self._queue.clear()
        since, self._taken = self._taken, put
        if missed := put - since - len(found):
            self.lagged += missed
            found.insert(0, ("lagged", Lagged(since=since, until=since + missed - 1, missed=missed)))
        return found
