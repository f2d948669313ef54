"""What Coinbase allows, on the Exchange and on Advanced Trade: two surfaces, one folder.

Facts and their sources are in COVERAGE.md; what is uncertain there is a setting, not a constant.
"""

from gapless.model import DAY, SECOND, Environment
from gapless.venues.spec import Hosts, Limits, StreamKind

EXCHANGE = Limits(
    weight_per_minute=540,  # 10 requests a second, 15 at once: a tenth and two of them are left to others
    burst=13,
    streams_per_connection=200,
    products_per_connection=15,
    connects_per_5m=600,
    connects_per_second=6,
    messages_per_second=8,
    connection_life=DAY,
    ping_every=30 * SECOND,
    page_trades=1_000,
    page_bars=298,  # of 300: whether the end of a span is in it nobody says, and one more shows that the last is over
    consecutive=frozenset({"trade"}),
    names_per_message=200,
    empty_omitted=True,
)
EXCHANGE_HOSTS: dict[Environment, Hosts] = {
    "live": Hosts("https://api.exchange.coinbase.com", "wss://ws-feed.exchange.coinbase.com", None),
    "demo": Hosts(
        "https://api-public.sandbox.exchange.coinbase.com", "wss://ws-feed-public.sandbox.exchange.coinbase.com", None
    ),
}

ADVANCED = Limits(
    weight_per_minute=540,
    burst=13,
    streams_per_connection=200,
    products_per_connection=15,
    connects_per_5m=300,
    connects_per_second=1,  # 8 messages a second of an address, and each connection begins with one a channel
    messages_per_second=8,
    connection_life=DAY,
    ping_every=30 * SECOND,
    page_trades=1_000,
    page_bars=298,
    consecutive=frozenset({"trade"}),
    names_per_message=1_000,
    empty_omitted=True,
)
ADVANCED_HOSTS: dict[Environment, Hosts] = {
    "live": Hosts("https://api.coinbase.com", "wss://advanced-trade-ws.coinbase.com", None),
    "demo": Hosts("https://api-sandbox.coinbase.com", "wss://advanced-trade-ws-sandbox.coinbase.com", None),
}

TOKEN_LIFE = 120 * SECOND
SIDES = ("maker", "taker")  # whose side market_trades tell: the maker's, by the documentation

GROUPS: dict[StreamKind, str] = {
    "trade": "market",
    "heartbeat": "market",
    "ticker": "market",
    "status": "market",
    "depth": "books",  # a snapshot is megabytes: trades do not wait behind it
}
