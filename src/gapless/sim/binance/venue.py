"""What differs between USD-M futures and spot: paths, limits, rhythm, weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gapless.sim.connection import BACKLOG
from gapless.sim.settings import applied


@dataclass(frozen=True, slots=True)
class Venue:
    """One of the two venues; `_s` are real seconds, `_ms` market milliseconds."""

    name: str
    futures: bool
    prefix: str
    intervals: tuple[str, ...]
    kline_ms: int
    ticker_ms: int
    mini_ms: int
    book_ms: int
    page: int  # most rows of a klines reply
    weight_limit: int
    messages_per_s: int
    ping_s: float
    pong_s: float
    life_s: float = 86_400.0
    max_streams: int = 1024
    attempts: int = 300
    attempts_s: float = 300.0
    window_hours: int | None = None  # aggTrades older than this are refused
    one_hour_span: bool = False
    retry_after: bool = True
    buffer_bytes: int = BACKLOG  # what may pile up for a client that does not read; more ends its connection


_COMMON = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M")
USDM = Venue(
    "binance", True, "/fapi/v1", _COMMON, 250, 2_000, 2_000, 250, 1500, 2400, 10, 180.0, 600.0, window_hours=48
)
SPOT = Venue("binance-spot", False, "/api/v3", ("1s", *_COMMON), 2_000, 1_000, 1_000, 1_000, 1000, 6000, 5, 20.0, 60.0)
SETTINGS = (
    "weight_limit",
    "messages_per_s",
    "ping_s",
    "pong_s",
    "life_s",
    "max_streams",
    "attempts",
    "attempts_s",
    "window_hours",
    "one_hour_span",
    "retry_after",
    "buffer_bytes",
)


def venue_named(name: str, settings: dict[str, Any]) -> Venue:
    """Returns a venue with the `[limits]` of a fault file applied."""
    return applied(USDM if name == "binance" else SPOT, settings, SETTINGS)
