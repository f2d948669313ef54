"""The events that are pushed, in the shapes that others' code depends on: numbers are floats, timestamps ms UTC."""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType, field

EVENTS = {
    "ticker_update": "a 24 h ticker came",
    "volume_alert": "an episode of volume began, or ended",
    "marketData": "a trade, a ticker or a best bid and ask came",
    "trade": "a trade came",
    "ticker": "a 24 h ticker came",
    "depth": "a best bid and ask came",
    "sourceSwitch": "a unified instrument is served by another source",
    "candle": "a 1m bar closed or was revised; candle:5m and the like are the longer ones",
    "signal": "a signal was found, confirmed or withdrawn",
    "gap": "a gap was named, repaired or given up",
    "connected": "a connection to a venue stands",
    "disconnected": "a connection to a venue is gone",
    "error": "something went wrong and is looked after",
    "message": "a frame of a venue, as it was received",
}


class TickerUpdate(Struct, frozen=True, kw_only=True, gc=False):
    """A 24 h ticker: `crypto` is the venue's own symbol, `volume_24h` counts the base; what is unknown is None."""

    crypto: str
    price: float
    exchange: str
    bid: float | None
    ask: float | None
    volume_24h: float | None
    timestamp: int


class MarketData(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A trade, a ticker or a best bid and ask.

    `symbol` is written without punctuation (BTCUSDT) whatever the venue writes; `id` is ours and tells products of one
    venue apart. `price` is that of the last trade, `volume` the size of a trade or the 24 h volume of a ticker. `raw`
    has the fields that the venue sent, as far as they are read, where it was asked for.
    """

    exchange: str
    symbol: str
    timestamp: int
    price: float
    type: Literal["trade", "ticker", "orderbook"]
    id: str
    volume: float | UnsetType = UNSET
    bid: float | UnsetType = UNSET
    ask: float | UnsetType = UNSET
    raw: Any = UNSET


class VolumeAlert(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The begin of an episode of volume, or (`ended`) its end, with the highest ratio as `peak`.

    `volume` is that of the trailing window of `window_minutes`, `baseline` the mean window before, `ratio` the one
    over the other, `z` the robust z (None where the windows do not spread), `threshold` the ratio that was passed.
    """

    crypto: str
    exchange: str
    price: float
    volume: float
    baseline: float
    ratio: float
    threshold: float
    window_minutes: int
    z: float | None
    trades: int
    timestamp: int
    ended: bool | UnsetType = UNSET
    peak: float | UnsetType = UNSET


class SourceSwitch(Struct, frozen=True, kw_only=True):
    """A unified instrument is served by source `to` and no longer by `since`, for a reason."""

    since: str = field(name="from")
    to: str
    reason: str
    timestamp: int
    instrument: str


class Connected(Struct, frozen=True, kw_only=True):
    """A connection to a venue stands, with so many streams to subscribe to."""

    connection: str
    exchange: str
    streams: int
    timestamp: int


class Disconnected(Struct, frozen=True, kw_only=True):
    """A connection to a venue is gone; it is opened again."""

    connection: str
    exchange: str
    code: int
    reason: str
    timestamp: int


class Trouble(Struct, frozen=True, kw_only=True):
    """Something went wrong: `kind` is the name that the log has for it, `subject` whom it befell."""

    kind: str
    subject: str
    reason: str
    timestamp: int


class Message(Struct, frozen=True, kw_only=True):
    """A frame as it was received, at `received` (ns UTC of this machine)."""

    connection: str
    data: bytes
    received: int


class Lagged(Struct, frozen=True, kw_only=True):
    """Who listened was too slow: `missed` events were left out, numbers `since` to `until` of all that it was sent."""

    since: int = field(name="from")
    until: int = field(name="to")
    missed: int
