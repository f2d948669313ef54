"""What Coinbase sends, one Struct a message, only the fields that are used.

Of the Exchange: prices and sizes are texts, ids are numbers, times ISO 8601 with microseconds. Of Advanced Trade: ids
are texts too, times have nanoseconds, and every frame has the number that it has on its connection. Documentation:
docs.cdp.coinbase.com, "Exchange" and "Advanced Trade"; what was seen is in COVERAGE.md.
"""

from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

Id = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Seconds = Annotated[int, Meta(ge=0, le=9_223_372_035)]  # as ns it fits into 64 bits
MakerSide = Literal["buy", "sell"]


# Exchange


class Match(Struct, gc=False, tag_field="type", tag="match"):
    """`{"type":"match","trade_id":1100243495,"maker_order_id":"7de5856f-...","taker_order_id":"928de3d0-...",
    "side":"sell","size":"0.00029129","price":"83425.97","product_id":"BTC-USD","sequence":136999329883,
    "time":"2026-09-30T02:03:15.234144Z"}`; `side` is the maker's.
    """

    trade_id: Id
    side: MakerSide
    size: str
    price: str
    product_id: str
    time: str


class LastMatch(Match, gc=False, tag_field="type", tag="last_match"):
    """The newest trade that there was when `matches` was subscribed, however old: as `match`."""


class Heartbeat(Struct, gc=False, tag_field="type", tag="heartbeat"):
    """`{"type":"heartbeat","last_trade_id":1100243494,"product_id":"BTC-USD","sequence":136999329803,
    "time":"2026-09-30T02:03:15.000000Z"}`; a `last_trade_id` of 0 is unknown.
    """

    last_trade_id: Id
    product_id: str
    time: str


class TickerEvent(Struct, tag_field="type", tag="ticker"):
    """`{"type":"ticker","sequence":136967652357,"product_id":"BTC-USD","price":"84140.83","open_24h":"83629.9",
    "volume_24h":"5667.41926850","low_24h":"82510.37","high_24h":"84557.01","volume_30d":"180889.67159800",
    "best_bid":"84138.41","best_bid_size":"0.02880000","best_ask":"84146.91","best_ask_size":"0.00949200",
    "side":"buy","time":"2026-09-29T13:45:58.116787Z","trade_id":1099995623,"last_size":"0.00004104"}`; `side` is the
    taker's.
    """

    product_id: str
    price: str
    open_24h: str
    volume_24h: str
    low_24h: str
    high_24h: str
    best_bid: str = ""
    best_ask: str = ""
    time: str = ""
    trade_id: int = -1


class BookSnapshot(Struct, tag_field="type", tag="snapshot"):
    """`{"type":"snapshot","product_id":"BTC-USD","bids":[["10101.10","0.45054140"]],"asks":[...],"time":"..."}`; those
    of 2021 have no time.
    """

    product_id: str
    bids: list[list[str]]
    asks: list[list[str]]
    time: str = ""


class BookUpdate(Struct, tag_field="type", tag="l2update"):
    """`{"type":"l2update","product_id":"BTC-USD","changes":[["buy","22356.270000","0.00000000"]],"time":"..."}`."""

    product_id: str
    changes: list[tuple[MakerSide, str, str]]
    time: str = ""


class ProductStatus(Struct):
    """A product of the status channel of either surface."""

    id: str
    status: str


class StatusEvent(Struct, tag_field="type", tag="status"):
    """`{"type":"status","products":[{"id":"BTC-USD","status":"online",...}],"currencies":[...]}`."""

    products: list[ProductStatus]


class Channel(Struct):
    """A channel of `subscriptions`, with what is subscribed on it."""

    name: str
    product_ids: list[str] | None = None


class Subscriptions(Struct, tag_field="type", tag="subscriptions"):
    """`{"type":"subscriptions","channels":[{"name":"ticker","product_ids":["BTC-USD"],"account_ids":null}]}`: the
    whole set of the connection.
    """

    channels: list[Channel]


class ErrorEvent(Struct, tag_field="type", tag="error"):
    """`{"type":"error","message":"Failed to subscribe","reason":"XRP-USD is not a valid product"}`; Advanced Trade
    gives no reason.
    """

    message: str = ""
    reason: str = ""


ExchangeFrame = (
    Match | LastMatch | Heartbeat | TickerEvent | BookSnapshot | BookUpdate | StatusEvent | Subscriptions | ErrorEvent
)


class Typed(Struct):
    """Any frame of the Exchange: types that are not known are to be ignored."""

    type: str


class Increments(Struct):
    """A product of `/products`."""

    id: str
    base_currency: str
    quote_currency: str
    base_increment: str
    quote_increment: str
    status: str
    trading_disabled: bool = False


class ExchangeTrade(Struct):
    """A row of `/products/{id}/trades`: `{"time":"2020-03-20T00:36:59.860Z","trade_id":86327327,
    "price":"6225.32000000","size":"0.06469797","side":"sell"}`; `side` is the maker's.
    """

    trade_id: Id
    side: MakerSide
    size: str
    price: str
    time: str


CandleRow = tuple[Seconds, Decimal, Decimal, Decimal, Decimal, Decimal]
"""`[time (s), low, high, open, close, volume]`, all of them numbers."""


class LastTrade(Struct):
    """`/products/{id}/ticker`, what is used of it."""

    trade_id: Id
    time: str


class Day(Struct):
    """`stats_24hour` of `/products/stats`."""

    open: str
    high: str
    low: str
    last: str
    volume: str


class Stats(Struct):
    """What `/products/stats` tells of a product."""

    stats_24hour: Day


class ExchangeTime(Struct):
    """`{"iso":"2015-01-07T23:47:25.201Z","epoch":1420674445.201}`."""

    epoch: Decimal


# Advanced Trade


class AdvancedTrade(Struct, gc=False):
    """`{"product_id":"BTC-USD","trade_id":"1100253573","price":"83320.66","size":"0.0041608",
    "time":"2026-09-30T02:39:59.416138Z","side":"SELL"}`, of market_trades and of REST.
    """

    product_id: str
    trade_id: str
    price: str
    size: str
    time: str
    side: Literal["BUY", "SELL", "UNKNOWN_ORDER_SIDE", ""]


class TradesEvent(Struct):
    """`{"type":"update","trades":[...]}`; the first is a `snapshot` of recent ones."""

    trades: list[AdvancedTrade]


class MarketTrades(Struct, tag_field="channel", tag="market_trades"):
    """`{"channel":"market_trades","timestamp":"2026-09-30T02:39:59.551901038Z","sequence_num":247,"events":[...]}`."""

    sequence_num: Id
    events: list[TradesEvent]


class AdvancedTicker(Struct):
    """`{"type":"ticker","product_id":"BTC-USD","price":"21932.98","volume_24_h":"16038.28770938",
    "low_24_h":"21835.29","high_24_h":"23011.18","low_52_w":"15460","high_52_w":"48240",
    "price_percent_chg_24_h":"-4.15775596190603","best_bid":"21931.98","best_ask":"21933.98",...}`.
    """

    product_id: str
    price: str
    volume_24_h: str = ""
    low_24_h: str = ""
    high_24_h: str = ""
    price_percent_chg_24_h: str = ""
    best_bid: str = ""
    best_ask: str = ""


class TickersEvent(Struct):
    """`{"type":"update","tickers":[...]}`."""

    tickers: list[AdvancedTicker]


class Tickers(Struct, tag_field="channel", tag="ticker"):
    """A frame of the ticker channel."""

    timestamp: str
    sequence_num: Id
    events: list[TickersEvent]


class Level(Struct, gc=False):
    """`{"side":"bid","event_time":"2026-08-24T22:34:13.483122Z","price_level":"78856.05","new_quantity":"0.0476177"}`;
    the quantity is what is there now, none where it is 0.
    """

    side: Literal["bid", "offer", "ask"]
    price_level: str
    new_quantity: str


class BookEvent(Struct):
    """`{"type":"snapshot","product_id":"BTC-USD","updates":[...]}`, or an `update`, which may be empty."""

    type: Literal["snapshot", "update"]
    product_id: str
    updates: list[Level]


class Book(Struct, tag_field="channel", tag="l2_data"):
    """A frame of the level2 channel, which calls itself otherwise than it is subscribed."""

    timestamp: str
    sequence_num: Id
    events: list[BookEvent]


class Heartbeats(Struct, tag_field="channel", tag="heartbeats"):
    """`{"channel":"heartbeats","client_id":"","timestamp":"2023-06-23T20:31:26.122969572Z","sequence_num":0,
    "events":[{"current_time":"2023-06-23 20:31:56.121961769 +0000 UTC m=+91717.5","heartbeat_counter":"3049"}]}`.
    """

    timestamp: str
    sequence_num: Id


class StatusesEvent(Struct):
    """`{"type":"snapshot","products":[{"id":"BTC-USD","status":"online",...}]}`."""

    products: list[ProductStatus]


class Statuses(Struct, tag_field="channel", tag="status"):
    """A frame of the status channel."""

    sequence_num: Id
    events: list[StatusesEvent]


class SubscribedEvent(Struct):
    """`{"subscriptions":{"level2":["BTC-USD"],"market_trades":["BTC-USD","ETH-USD"]}}`."""

    subscriptions: dict[str, list[str] | None]


class Subscribed(Struct, tag_field="channel", tag="subscriptions"):
    """The whole set of the connection."""

    sequence_num: Id
    events: list[SubscribedEvent]


AdvancedFrame = MarketTrades | Tickers | Book | Heartbeats | Statuses | Subscribed


class Numbered(Struct):
    """Any frame of Advanced Trade that has a number, whatever its channel; or an error, which has none."""

    channel: str = ""
    sequence_num: Id | None = None
    type: str = ""
    message: str = ""


class AdvancedProduct(Struct):
    """A product of `/market/products`; one with an `alias` is another name of that, and brings its data."""

    product_id: str
    base_currency_id: str
    quote_currency_id: str
    base_increment: str
    quote_increment: str
    price: str = ""
    price_percentage_change_24h: str = ""
    volume_24h: str = ""
    approximate_quote_24h_volume: str = ""
    status: str = ""
    alias: str = ""
    price_increment: str = ""
    is_disabled: bool = False
    trading_disabled: bool = False


class AdvancedProducts(Struct):
    """The reply of `/market/products`."""

    products: list[AdvancedProduct]


class AdvancedTrades(Struct):
    """`{"trades":[...],"best_bid":"...","best_ask":"..."}`, newest first."""

    trades: list[AdvancedTrade]


class AdvancedCandle(Struct):
    """`{"start":"1712192400","low":"66055.14","high":"66331.99","open":"66312.4","close":"66181.6",
    "volume":"355.82896243"}`.
    """

    start: str
    low: str
    high: str
    open: str
    close: str
    volume: str


class AdvancedCandles(Struct):
    """The reply of `/market/products/{id}/candles`, newest first."""

    candles: list[AdvancedCandle]


class AdvancedTime(Struct):
    """`{"iso":"...","epochSeconds":"1712192400","epochMillis":"1712192400123"}`."""

    epoch_millis: str = field(name="epochMillis")


class Problem(Struct):
    """How either surface says no: `{"message":"NotFound"}`, `{"error":"NOT_FOUND","message":"..."}`,
    `{"errors":[{"id":"rate_limit_exceeded","message":"Too many requests"}]}`.
    """

    message: str = ""
    error: str = ""
