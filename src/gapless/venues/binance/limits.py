"""What Binance allows, for USD-M futures and for spot: two tables, one folder.

Facts and their sources are in COVERAGE.md; what is uncertain there is a setting, not a constant.
"""

from msgspec import Struct

from gapless.model import HOUR, MINUTE, SECOND, Environment
from gapless.venues.spec import Hosts, Limits


class Market(Struct, frozen=True, kw_only=True):
    """How the two Binance markets differ.

    `routes` maps a group of streams to the path it is served on. `wire_digits` is the number of digits that
    prices and sizes are padded to on the wire, None where they have the symbol's own.
    """

    name: str
    api: str
    routes: dict[str, str]
    groups: dict[str, str]
    info_weight: int
    ticker_weight: int
    tickers_weight: int
    agg_weight: int
    history_weight: int
    recent_weight: int
    recent_keyless: bool
    history_page: int
    depth_weight: int
    depth_limit: int
    archive: str
    padded: int | None
    instrument_kind: str
    depth_rate: str
    limits: Limits
    hosts: dict[Environment, Hosts]


USDM = Market(
    name="binance",
    api="/fapi/v1",
    routes={"market": "/market/stream", "public": "/public/stream"},
    groups={
        "agg": "market",
        "bars": "market",
        "ticker": "market",
        "trade": "public",
        "quote": "public",
        "depth": "public",
    },
    info_weight=1,
    ticker_weight=1,
    tickers_weight=40,
    agg_weight=20,
    history_weight=20,
    recent_weight=5,
    recent_keyless=False,
    history_page=500,
    depth_weight=20,
    depth_limit=1_000,
    archive="/data/futures/um/daily",
    padded=None,
    instrument_kind="perpetual",
    depth_rate="@100ms",
    limits=Limits(
        weight_per_minute=2_400,
        streams_per_connection=200,
        connects_per_5m=300,
        messages_per_second=4,
        connection_life=24 * HOUR,
        ping_every=3 * MINUTE,
        page_trades=1_000,
        page_bars=1_000,
        consecutive=frozenset({"agg", "bars"}),
        recent_trades_window=46 * HOUR,
    ),
    hosts={
        "live": Hosts("https://fapi.binance.com", "wss://fstream.binance.com", "https://data.binance.vision"),
        "demo": Hosts("https://demo-fapi.binance.com", "wss://demo-fstream.binance.com", None),
    },
)

SPOT = Market(
    name="binance-spot",
    api="/api/v3",
    routes={"trades": "/stream", "books": "/stream"},
    groups={
        "agg": "trades",
        "bars": "trades",
        "ticker": "trades",
        "trade": "trades",
        "quote": "books",
        "depth": "books",
    },
    info_weight=20,
    ticker_weight=2,
    tickers_weight=80,
    agg_weight=4,
    history_weight=25,
    recent_weight=25,
    recent_keyless=True,
    history_page=1_000,
    depth_weight=50,
    depth_limit=1_000,
    archive="/data/spot/daily",
    padded=8,
    instrument_kind="spot",
    depth_rate="@100ms",
    limits=Limits(
        weight_per_minute=6_000,
        streams_per_connection=200,
        connects_per_5m=300,
        messages_per_second=4,
        connection_life=24 * HOUR,
        ping_every=20 * SECOND,
        page_trades=1_000,
        page_bars=1_000,
        consecutive=frozenset({"agg", "bars"}),
    ),
    hosts={
        "live": Hosts("https://api.binance.com", "wss://stream.binance.com:9443", "https://data.binance.vision"),
        "demo": Hosts("https://testnet.binance.vision", "wss://stream.testnet.binance.vision", None),
    },
)


def bars_weight(market: Market, rows: int) -> int:
    """Give the weight of a klines request for a number of rows (USD-M as measured in October 2026)."""
    if market is SPOT:
        return 2
    return 1 if rows <= 100 else 2 if rows <= 500 else 5 if rows <= 1_000 else 10
