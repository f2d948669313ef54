"""What OKX sends, one Struct a message, only the fields that are used.

Numbers are texts, but for the sequence numbers of books; what does not apply is "". Numbers that are read as `int`
are therefore decoded leniently (`strict=False`). Documentation: okx.com/docs-v5, "Order Book Trading", "Public Data".
"""

from typing import Annotated, Generic, Literal, TypeVar

from msgspec import Meta, Raw, Struct

Id = Annotated[int, Meta(ge=0, le=2**63 - 1)]
MaybeId = Annotated[int, Meta(ge=-1, le=2**63 - 1)]  # -1 where there is none
Millis = Annotated[int, Meta(ge=0, le=9_223_372_036_854)]  # as ns it fits into 64 bits
Count = Annotated[int, Meta(ge=1, le=1_000_000)]

T = TypeVar("T")


class Argument(Struct):
    """What a frame is about: `{"channel":"trades-all","instId":"BTC-USDT-SWAP"}`, or an instType in its place."""

    channel: str
    instId: str = ""
    instType: str = ""


class Frame(Struct):
    """A push, `{"arg":{...},"data":[...]}`, of books with an `action`; or an event about what was asked for:

    `{"id":"1512","event":"subscribe","arg":{"channel":"tickers","instId":"BTC-USDT"},"connId":"accb8e21"}`,
    `{"event":"error","code":"60018","msg":"Wrong URL or channel:candle1s,instId:BTC-USDT doesn't exist. ..."}`,
    `{"event":"notice","code":"64008","msg":"The connection will soon be closed for a service upgrade. ..."}`.
    """

    arg: Argument | None = None
    data: Raw = Raw()
    action: str = ""
    event: str = ""
    id: str = ""
    code: str = ""
    msg: str = ""


class TradeRow(Struct, gc=False):
    """`{"instId":"BTC-USDT-SWAP","tradeId":"2953620209","px":"84093.4","sz":"0.01","side":"sell",
    "ts":"1790439594782","count":"1","source":"0","seqId":342177336862}`; trades-all and REST without count and seqId.

    `side` is the taker's. Of several executions `tradeId` is the last. Those of `source` "1" (ELP) count as any other.
    """

    tradeId: Id
    px: str
    sz: str
    side: Literal["buy", "sell"]
    ts: Millis
    count: Count = 1


class PageRow(TradeRow, gc=False, kw_only=True):
    """A row of trades by REST, which alone says whose trades a page has."""

    instId: str


class TickerRow(Struct):
    """`{"instType":"SPOT","instId":"BTC-USDT","last":"9999.99","lastSz":"0.1","askPx":"9999.99","askSz":"11",
    "bidPx":"8888.88","bidSz":"5","open24h":"9000","high24h":"10000","low24h":"8888.88","volCcy24h":"2222",
    "vol24h":"2222","sodUtc0":"2222","sodUtc8":"2222","ts":"1597026383085"}`.
    """

    instType: str
    instId: str
    last: str
    open24h: str
    high24h: str
    low24h: str
    vol24h: str
    volCcy24h: str
    bidPx: str
    askPx: str
    ts: Millis


class Level(Struct, array_like=True, gc=False):
    """`["8476.98","415","0","13"]`: price, size, nothing any more, number of orders."""

    px: str
    sz: str


class BookRow(Struct):
    """`{"asks":[["8476.98","415","0","13"]],"bids":[["8476.97","256","0","12"]],"ts":"1597026383085","checksum":0,
    "prevSeqId":-1,"seqId":123456}`; bbo-tbt and books5 without prevSeqId, frames of 2022 without either.

    `action`, which stands beside the row, is "snapshot" or "update", and empty where every push is whole.
    """

    asks: list[Level]
    bids: list[Level]
    ts: Millis
    seqId: Id = 0
    prevSeqId: MaybeId = -1
    action: str = ""


class CandleRow(Struct, array_like=True):
    """`["1597026360000","8533.02","8553.74","8527.17","8548.26","45247","529.5858061","5529.5858061","0"]`: when
    it opened, prices, volume (in contracts where there are any), in the other currency, in the quote, if it is closed.
    """

    ts: Millis
    open: str
    high: str
    low: str
    close: str
    vol: str
    volCcy: str
    volCcyQuote: str
    confirm: Literal["0", "1"]


class InstrumentRow(Struct):
    """`{"instType":"SWAP","instId":"BTC-USD-SWAP","baseCcy":"","quoteCcy":"","ctVal":"100","ctMult":"1",
    "ctType":"inverse","ctValCcy":"USD","settleCcy":"BTC","tickSz":"0.1","lotSz":"1","state":"live",
    "listTime":"1535424203000","expTime":"", ...}`.
    """

    instType: str
    instId: str
    state: str
    baseCcy: str = ""
    quoteCcy: str = ""
    ctVal: str = ""
    ctMult: str = ""
    ctType: str = ""
    ctValCcy: str = ""
    settleCcy: str = ""
    tickSz: str = ""
    lotSz: str = ""
    listTime: str = ""
    expTime: str = ""


class ServerTime(Struct):
    """`{"ts":"1597026383085"}`."""

    ts: Millis


class Answer(Struct, Generic[T]):
    """`{"code":"0","msg":"","data":[...]}`; a code other than "0" is a refusal, whatever the status of HTTP."""

    data: list[T]


class Refusal(Struct):
    """`{"code":"51001","msg":"Instrument ID does not exist","data":[]}`."""

    code: str = "0"
    msg: str = ""
