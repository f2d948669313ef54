"""Newest values: tickers, best bid and ask, order books."""

from msgspec import Struct


class Ticker(Struct, frozen=True):
    """A rolling 24 h summary; prices and sums are plain decimal text as the venue wrote them, times ns UTC.

    What the venue's tickers do not tell is empty, and -1 for counts and ids. Volumes are in base units.
    """

    instrument: str
    time: int
    last: str
    open: str
    high: str
    low: str
    volume: str
    quote_volume: str
    change_percent: str
    trades: int
    first_id: int
    last_id: int
    bid: str = ""
    ask: str = ""


class Quote(Struct, frozen=True):
    """The best bid and ask with their sizes, plain decimal text; `time` is ns UTC (0 where the venue gives none)."""

    instrument: str
    update: int
    time: int
    bid: str
    bid_size: str
    ask: str
    ask_size: str


class Level(Struct, frozen=True, array_like=True):
    """One level of a book, scaled integers."""

    price: int
    size: int
