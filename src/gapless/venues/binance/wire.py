"""What Binance sends, one Struct a message, only the fields that are used.

Prices and sizes are texts, ids and times are numbers (ms). Unknown keys are ignored; key order is not contractual.
Documentation: developers.binance.com, USD-M futures "Websocket Market Streams", and binance-spot-api-docs.
"""

from typing import Annotated, Any

from msgspec import Meta, Struct

Pair = tuple[str, str]
Id = Annotated[int, Meta(ge=0, le=2**63 - 1)]
MaybeId = Annotated[int, Meta(ge=-1, le=2**63 - 1)]  # -1 where there is none
Millis = Annotated[int, Meta(ge=0, le=9_223_372_036_854)]  # as ns it fits into 64 bits


class AggTrade(Struct, gc=False, tag_field="e", tag="aggTrade"):
    """`{"e":"aggTrade","E":1785048482872,"a":300238285,"s":"BTCUSDT","p":"64346.70","q":"0.0200","nq":"0.0200",
    "f":521512568,"l":521512568,"T":1785048482718,"m":false,"st":1}`; USD-M `/market`, spot without nq and st.
    """

    a: Id
    p: str
    q: str
    f: Id
    l: Id
    T: Millis
    m: bool


class TradeEvent(Struct, gc=False, tag_field="e", tag="trade"):
    """`{"e":"trade","E":1789191815354,"T":1789191815354,"s":"BTCUSDT","t":8072551060,"p":"77199.90","q":"0.005",
    "X":"MARKET","m":true,"st":1}`; USD-M `/public` (undocumented there), spot without X and st.
    """

    t: Id
    p: str
    q: str
    T: Millis
    m: bool


class KlineBody(Struct):
    """The `k` of a kline event; `f` and `L` are -1 where nothing traded."""

    t: Millis
    i: str
    f: MaybeId
    L: MaybeId
    o: str
    c: str
    h: str
    l: str
    v: str
    n: Id
    x: bool
    q: str
    V: str
    Q: str


class Kline(Struct, tag_field="e", tag="kline"):
    """`{"e":"kline","E":1785048540333,"s":"BTCUSDT","k":{"t":1785048480000, "T":1785048539999, "s":"BTCUSDT",
    "i":"1m", "f":521512559, "L":521512793, "o":"64346.70", ..., "n":235, "x":true, ...}}`.
    """

    E: Millis
    k: KlineBody


class Ticker24(Struct, tag_field="e", tag="24hrTicker"):
    """`{"e":"24hrTicker","E","s","p","P","w","c","Q","o","h","l","v","q","O","C","F","L","n","st"}`."""

    E: int
    P: str
    c: str
    o: str
    h: str
    l: str
    v: str
    q: str
    F: int
    L: int
    n: int


class BookTicker(Struct, gc=False, tag_field="e", tag="bookTicker"):
    """`{"e":"bookTicker","u":11538015451847,"s":"BTCUSDT","b":"77199.90","B":"5.832","a":"77200.00","A":"12.001",
    "T":1789191814815,"E":1789191814815}`.
    """

    u: int
    b: str
    B: str
    a: str
    A: str
    T: int = 0


class DepthUpdate(Struct, tag_field="e", tag="depthUpdate"):
    """`{"e":"depthUpdate","E":1785048482829,"T":1785048482718,"s":"BTCUSDT","U":359220619477,"u":359220619477,
    "pu":359220613550,"b":[],"a":[["64346.70","589.8041"]]}`; spot has neither T nor pu.
    """

    E: int
    U: int
    u: int
    b: list[Pair]
    a: list[Pair]
    pu: int | None = None


class ServerShutdown(Struct, tag_field="e", tag="serverShutdown"):
    """`{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}`, spot only."""

    E: int


Event = AggTrade | TradeEvent | Kline | Ticker24 | BookTicker | DepthUpdate | ServerShutdown


class SpotBookTicker(Struct):
    """`{"u","s","b","B","a","A"}`: spot's best bid and ask carry no event name and no time."""

    u: int
    b: str
    B: str
    a: str
    A: str
    T: int = 0


class Refusal(Struct):
    """`{"code":2,"msg":"Invalid request: ..."}`."""

    code: int = 0
    msg: str = ""


class Frame(Struct, gc=False):
    """A combined frame `{"stream":..,"data":..}`, or a reply to a control message (then `stream` is empty)."""

    stream: str = ""
    data: Event | None = None
    id: int | str | None = None
    result: Any = None
    code: int | None = None
    msg: str = ""
    error: Refusal | None = None


class BookFrame(Struct):
    """A combined frame of spot's best bid and ask."""

    stream: str
    data: SpotBookTicker


class AggRow(Struct):
    """A row of REST aggTrades: `{"a","p","q","nq","f","l","T","m"}`."""

    a: Id
    p: str
    q: str
    f: Id
    l: Id
    T: Millis
    m: bool


class TradeRow(Struct):
    """A row of REST trades and historicalTrades: `{id,price,qty,quoteQty,time,isBuyerMaker}`."""

    id: Id
    price: str
    qty: str
    time: Millis
    isBuyerMaker: bool


KlineRow = tuple[Millis, str, str, str, str, str, int, str, Id, str, str, Any]
"""`[openTime,"o","h","l","c","vol",closeTime,"quoteVol",nTrades,"takerBuyBase","takerBuyQuote","ignore"]`."""


class TickerRow(Struct):
    """A row of REST ticker/24hr."""

    symbol: str
    priceChangePercent: str
    lastPrice: str
    openPrice: str
    highPrice: str
    lowPrice: str
    volume: str
    quoteVolume: str
    closeTime: Millis
    firstId: MaybeId
    lastId: MaybeId
    count: int


class DepthReply(Struct):
    """`{"lastUpdateId","E","T","bids","asks"}`; spot has neither E nor T."""

    lastUpdateId: int
    bids: list[Pair]
    asks: list[Pair]
    E: int = 0


class Filter(Struct):
    """One filter of exchangeInfo, the two of them that give digits."""

    filterType: str
    tickSize: str = ""
    stepSize: str = ""


class SymbolInfo(Struct):
    """A symbol of exchangeInfo."""

    symbol: str
    status: str
    baseAsset: str
    quoteAsset: str
    filters: list[Filter]
    contractType: str = ""
    pricePrecision: int | None = None
    quantityPrecision: int | None = None
    onboardDate: int | None = None
    deliveryDate: int | None = None


class ExchangeInfo(Struct):
    """The reply of exchangeInfo."""

    symbols: list[SymbolInfo]


class RateLimit(Struct):
    """`{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":2400}`."""

    rateLimitType: str
    interval: str
    intervalNum: int
    limit: int


class Announced(Struct):
    """What exchangeInfo says of limits."""

    rateLimits: list[RateLimit] = []


class ServerTime(Struct):
    """`{"serverTime":1499827319559}`."""

    serverTime: int
