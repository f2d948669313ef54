"""Time, sockets and HTTP."""

from collections.abc import Awaitable
from typing import Protocol

from msgspec import Struct


class Clock(Protocol):
    """Time, as the process sees it."""

    def wall(self) -> int:
        """Give the machine's time, ns UTC; only display, latency figures and deadlines of this machine use it."""

    def monotonic(self) -> int:
        """Give ns that never go back."""

    def sleep(self, ns: int) -> Awaitable[None]:
        """Wait."""


class Socket(Protocol):
    """One open WebSocket connection."""

    def send(self, text: str) -> None:
        """Queue a text frame."""

    def pause(self) -> None:
        """Stop reading; the peer's frames wait in the kernel."""

    def resume(self) -> None:
        """Read on."""

    def close(self, code: int, reason: str) -> None:
        """Close in good order; `SocketEvents.closed` follows."""


class SocketEvents(Protocol):
    """What a connection tells its owner, in the order it happens."""

    def batch(self, frames: list[bytes], received: int) -> None:
        """Take the text frames of one wake-up, at most 1,000, received at `received` (ns UTC)."""

    def closed(self, code: int, reason: str) -> None:
        """Learn that the connection is over; code 1006 when it broke."""

    def pinged(self) -> None:
        """Learn that a ping was sent."""

    def ponged(self) -> None:
        """Learn that a ping was answered."""


class Sockets(Protocol):
    """Opens WebSocket connections."""

    async def connect(self, url: str, events: SocketEvents, ping: str | None = None) -> Socket:
        """Open a connection, or raise `Unavailable`; `ping` is the text that its peer answers with "pong"."""


class Reply(Struct, frozen=True):
    """What a REST host answered; header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Http(Protocol):
    """Asks REST hosts and archives."""

    async def get(self, url: str, headers: dict[str, str]) -> Reply:
        """Send one GET; any status is an answer, a broken network is `Unavailable`."""
