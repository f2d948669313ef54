"""What OKX allows: where it lives, which channel is on which path, what a request costs.

Facts and their sources are in COVERAGE.md; what is uncertain there is a setting, not a constant.
"""

from gapless.model import DAY, HOUR, SECOND, Environment
from gapless.venues.spec import Hosts, Limits, StreamKind

CHANNELS: dict[StreamKind, str] = {
    "trade": "trades-all",
    "span": "trades",
    "bars": "candle1m",
    "ticker": "tickers",
    "quote": "bbo-tbt",
    "depth": "books",
}

GROUPS: dict[StreamKind, str] = {
    "trade": "business",
    "span": "public",
    "bars": "business",
    "ticker": "public",
    "quote": "public",
    "depth": "books",
}
"""The group of connections of each kind. Whole books have connections of their own: they are large."""

PATHS = {"public": "/ws/v5/public", "books": "/ws/v5/public", "business": "/ws/v5/business"}

TYPES = ("SPOT", "SWAP", "FUTURES")
"""The types of instruments that are read; options and events are left out (COVERAGE.md)."""

RECENT_BARS = 1_400
"""How many of the newest bars are asked of the cheaper address, which has 1,440, the forming one among them."""

_SHARES = 200  # of two seconds

WEIGHTS = {
    "public/time": _SHARES // 10,
    "public/instruments": _SHARES // 20,
    "market/candles": _SHARES // 40,
    "market/history-candles": _SHARES // 20,
    "market/trades": _SHARES // 100,
    "market/history-trades": _SHARES // 20,
    "market/tickers": _SHARES // 20,
}
"""Every address has a limit of its own, so many requests in two seconds: a request weighs its share of them.

All of them together are kept below what each alone allows: of 200 shares, 40 leave at once and 70 a second follow, at
most 180 in any two seconds. The tenth that is left is for answers that the network bunches.
"""

LIMITS = Limits(
    weight_per_minute=4_200,
    burst=40,
    streams_per_connection=100,
    connects_per_5m=900,
    connects_per_second=3,
    messages_per_second=4,
    messages_per_hour=480,
    connection_life=24 * HOUR,
    ping_every=25 * SECOND,
    page_trades=100,
    page_bars=100,
    consecutive=frozenset({"trade", "span", "bars"}),
    names_per_message=200,
    closed_bars=True,
    recent_trades_window=89 * DAY,
)

HOSTS: dict[Environment, Hosts] = {
    "live": Hosts("https://openapi.okx.com", "wss://ws.okx.com:8443", None),
    "demo": Hosts("https://openapi.okx.com", "wss://wspap.okx.com:8443", None, headers=(("x-simulated-trading", "1"),)),
}
