"""What can be set about the served faces."""

from msgspec import Struct

from gapless.errors import BadInput

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class ServeSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where we listen, who may ask, and how much is kept for whom.

    A client that reads slower than the market is told `lagged` once it is behind by more than what the ring keeps:
    `ring_events` events or `ring_bytes`, over all streams and shared by all clients. Beyond the ring a client costs
    one step of the log (at most 1,000 events a stream) and the buffers of its socket. A Socket.IO client costs at most
    1,000 packets on their way, 1,000 events that wait, and one newest value of each kind and instrument.
    """

    listen: tuple[str, ...] = ("127.0.0.1:8787",)
    token: str | None = None  # required to listen beyond loopback
    cors_origins: tuple[str, ...] = ()
    ring_events: int = 50_000
    ring_bytes: int = 32_000_000
    hot_minutes: int = 240  # newest minutes of each instrument in memory, before the store
    newest_every_ms: int = 100  # how often tickers, quotes and books are looked at for streams
    most_streams: int = 1_000  # of one connection
    ping_every_s: float = 20.0
    ping_limit_s: float = 20.0  # a client that answers no ping for so long is dropped


def address(text: str) -> tuple[str, int]:
    """Read `host:port`; an IPv6 host stands in brackets."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isascii() or not port.isdecimal() or int(port) > 65_535:
        raise BadInput(f"serve.listen: {text!r} is no address; allowed is host:port, as in 127.0.0.1:8787")
    return host, int(port)


def check(settings: ServeSettings) -> None:
    """Refuse, in one sentence, to listen to strangers without a token."""
    for text in settings.listen:
        host, _ = address(text)
        if host not in LOOPBACK and not settings.token:
            raise BadInput(
                f"serve.listen: {text} is open to others and needs serve.token; without one only loopback is allowed"
            )
