"""One socket of a connection while it stands, and whom a connection tells what happens."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from msgspec import Struct, field

from gapless.collect.stages import Stages
from gapless.ports import Clock, Socket
from gapless.protocol.session import Session
from gapless.venues.spec import Stream


class Hooks(Struct, frozen=True):
    """Whom a connection tells: of frames (for a recorder), of streams that may be silent, of noteworthy events.

    `turn` is awaited before each attempt to connect: attempts are paced over all connections. `renew` has the book of
    an instrument begun anew. `stages` counts how long things take.
    """

    record: Callable[[str, list[bytes], int], None]
    probe: Callable[[Any, Stream], None]
    note: Callable[..., None]
    arrived: Callable[[], None]
    turn: Callable[[], Awaitable[None]]
    renew: Callable[[str], None] = lambda instrument: None
    stages: Stages = field(default_factory=Stages)


class Ended(Struct, frozen=True):
    """How a socket ended: when (ns UTC of this machine), close code and reason, and how long it had lived, ns."""

    at: int
    code: int
    reason: str
    lived: int


class Owner(Protocol):
    """The connection that a socket belongs to."""

    def batch(self, frames: list[bytes], received: int, leg: "Leg") -> None:
        """Take the text frames of one wake-up."""

    def closed(self, code: int, reason: str, leg: "Leg") -> None:
        """Learn that the socket is gone."""


class Leg:
    """One socket of a connection, with its session; one that was left may still speak and is still heard."""

    def __init__(self, connection: Owner, session: Session, streams: list[Stream], clock: Clock) -> None:
        self.session = session
        self.streams = streams
        self.over = asyncio.Event()
        self.socket: Socket | None = None
        self.opened_at = 0
        self.answered = False
        self.until = 0
        self.why = "its time was nearly up"
        self.firsts: dict[str, int] = {}
        self.kept: dict[str, list[Any]] = {}
        self._connection = connection
        self._clock = clock
        self._pinged_at = 0
        self._latency: int | None = None

    def batch(self, frames: list[bytes], received: int) -> None:
        """Take the text frames of one wake-up."""
        self._connection.batch(frames, received, self)

    def pinged(self) -> None:
        """Learn that a ping was sent."""
        self._pinged_at = self._pinged_at or self._clock.monotonic()

    def ponged(self) -> None:
        """Learn that a ping was answered."""
        self._latency, self._pinged_at = self._clock.monotonic() - self._pinged_at, 0

    @property
    def latency(self) -> int | None:
        """How long the last ping took to be answered, or how long one waits for that already, ns; None before any."""
        waiting = self._clock.monotonic() - self._pinged_at if self._pinged_at else 0
        return max(self._latency or 0, waiting) if waiting or self._latency is not None else None

    def closed(self, code: int, reason: str) -> None:
        """Learn that the socket is gone."""
        if not self.over.is_set():
            self._connection.closed(code, reason, self)
            self.leave()

    def leave(self) -> None:
        """Close the socket, if it stands."""
        self.session.closed()
        self.over.set()
        if self.socket is not None:
            leaving, self.socket = self.socket, None
            leaving.close(1000, "")
