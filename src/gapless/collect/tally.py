"""What a connection has brought and suffered, on all its sockets."""

from collections import deque

from msgspec import Struct, field

from gapless.collect.leg import Ended
from gapless.model import SECOND
from gapless.protocol.rate import Flow

_RECENT = 10 * SECOND


class Tally(Struct):
    """Counts of one connection since it was made; times are monotonic ns.

    `frames` came in `batches` and have `volume` bytes. `failed` are attempts to connect, `breaks` sockets that ended
    before their successor stood, `reconnects` how long the newest of these breaks lasted until data came again, ns.
    """

    since: int
    frames: int = 0
    volume: int = 0
    batches: int = 0
    malformed: int = 0
    connects: int = 0
    failed: int = 0
    breaks: int = 0
    rotations: int = 0
    closes: deque[Ended] = field(default_factory=lambda: deque(maxlen=5))
    reconnects: deque[int] = field(default_factory=lambda: deque(maxlen=20))
    flow: Flow = field(default_factory=lambda: Flow(_RECENT))
    _down: int = 0
    _down_since: int = 0

    def __post_init__(self) -> None:
        self._down_since = self.since

    def stands(self, now: int) -> None:
        """Learn that a socket stands."""
        if self._down_since:
            self._down += now - self._down_since
            self._down_since = 0

    def broke(self, now: int) -> None:
        """Learn that none stands any more."""
        self.breaks += 1
        self._down_since = self._down_since or now

    def up_share(self, now: int) -> float:
        """Give the share of the time in which a socket stood."""
        down = self._down + (now - self._down_since if self._down_since else 0)
        return 1 - down / (now - self.since) if now > self.since else 0.0
