"""The limits and rhythms of the venue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gapless.sim.connection import BACKLOG
from gapless.sim.settings import applied

RATES = {
    "time": (10, 2.0),
    "instruments": (20, 2.0),
    "candles": (40, 2.0),
    "history-candles": (20, 2.0),
    "trades": (100, 2.0),
    "history-trades": (20, 2.0),
    "tickers": (20, 2.0),
    "ticker": (20, 2.0),
    "books": (40, 2.0),
    "books-full": (10, 2.0),
}


@dataclass(frozen=True, slots=True)
class Table:
    """`_s` are real seconds, `_ms` market milliseconds."""

    rates: Mapping[str, tuple[int, float]] = field(default_factory=lambda: RATES)  # requests within seconds
    connects: int = 3
    connects_s: float = 1.0
    operations: int = 480
    operations_s: float = 3_600.0
    idle_s: float = 30.0
    message_bytes: int = 65_536
    recent_bars: int = 1_440  # what candles reaches back
    recent_trades: int = 500
    history_days: int = 90  # of trades
    candle_ms: int = 1_000
    ticker_ms: int = 100
    buffer_bytes: int = BACKLOG


SETTINGS = (
    "connects",
    "connects_s",
    "operations",
    "operations_s",
    "idle_s",
    "message_bytes",
    "recent_bars",
    "recent_trades",
    "history_days",
    "buffer_bytes",
)


def table_with(settings: dict[str, Any]) -> Table:
    """Returns the table with the `[limits]` of a fault file applied."""
    return applied(Table(), settings, SETTINGS)
