"""Reads OKX's frames into values: scaled integers, ns, base units, the aggressor's side."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from gapless.errors import BadNumber
from gapless.model import MINUTE, MS, Bar, Quote, Tape, Ticker, Trade
from gapless.model.book import DepthDiff, DepthSnapshot
from gapless.model.instrument import Status
from gapless.model.number import INT64, plain
from gapless.venues.contracts import sizes, turnover
from gapless.venues.okx.symbols import status
from gapless.venues.okx.wire import BookRow, CandleRow, Frame, InstrumentRow, Level, TickerRow, TradeRow
from gapless.venues.quantities import bounded, exact, nearest
from gapless.venues.spec import Control, Grouped

_FRAME = msgspec.json.Decoder(Frame)
_TRADES = msgspec.json.Decoder(list[TradeRow], strict=False)
_BOOKS = msgspec.json.Decoder(list[BookRow], strict=False)
_ROWS: dict[str, msgspec.json.Decoder[list[Any]]] = {
    "trades-all": _TRADES,
    "trades": _TRADES,
    "candle1m": msgspec.json.Decoder(list[CandleRow], strict=False),
    "tickers": msgspec.json.Decoder(list[TickerRow], strict=False),
    "bbo-tbt": _BOOKS,
    "books": _BOOKS,
    "books5": _BOOKS,
    "instruments": msgspec.json.Decoder(list[InstrumentRow]),
}
_NAMED = re.compile(r"channel:([\w-]+),inst(?:Id|Type):([\w-]+)")
_PASSING = frozenset({"60014", "63999", "64007"})  # too frequent, and troubles of the venue's own
_SIDES = {"buy": 1, "sell": -1}


def group(frames: Iterable[bytes]) -> Grouped:
    """Decode a batch of frames and lay their rows out by stream name, in the order received."""
    runs: dict[str, list[Any]] = {}
    result = Grouped(runs, [], [], [])
    decode, decoders = _FRAME.decode, _ROWS
    for raw in frames:
        try:
            frame = decode(raw)
            about = frame.arg
            if frame.event or about is None:
                _event(frame, raw, result)
                continue
            rows = decoders[about.channel].decode(frame.data)
        except (msgspec.DecodeError, UnicodeDecodeError, KeyError):
            if raw != b"pong":
                result.malformed.append(raw)
            continue
        if frame.action:
            for row in rows:
                row.action = frame.action
        name = f"{about.channel}:{about.instId or about.instType}"
        run = runs.get(name)
        if run is not None:
            run += rows
        elif rows:
            runs[name] = rows
    return result


def _event(frame: Frame, raw: bytes, result: Grouped) -> None:
    """Take what the venue says of a subscription or of the connection.

    A trouble of the venue's own is no answer: what it kept from being acknowledged is asked for on a new connection.
    """
    number = int(frame.id) if frame.id.isascii() and frame.id.isdigit() else None
    name = f"{frame.arg.channel}:{frame.arg.instId or frame.arg.instType}" if frame.arg else ""
    if frame.event == "subscribe" and name:
        result.controls.append(Control(number, None, (name,)))
    elif frame.event == "unsubscribe":
        result.controls.append(Control(number, None))
    elif frame.event == "notice":
        result.notices.append(f"{frame.msg} ({frame.code})")
    elif frame.event == "error" and frame.code not in _PASSING:
        named = (name,) if name else tuple(f"{channel}:{about}" for channel, about in _NAMED.findall(frame.msg))
        result.controls.append(Control(number, f"{frame.msg} ({frame.code})", named))
    elif frame.event != "error":
        result.malformed.append(raw)


def trades(run: Sequence[TradeRow], tape: Tape, received: int) -> list[Trade]:
    """Read a run of trades; of those that stand for several executions the id is the last one's."""
    prices = exact([row.px for row in run], tape.price_digits)
    amounts = sizes([row.sz for row in run], prices, tape)
    bounded(max(prices), max(amounts), tape)
    if tape.kind != "span":
        return [
            Trade(row.tradeId, row.ts * MS, price, size, _SIDES[row.side], 1, row.tradeId, received)
            for row, price, size in zip(run, prices, amounts, strict=True)
        ]
    if any(row.count > row.tradeId + 1 for row in run):
        raise BadNumber("a trade stands for more executions than there were")
    return [
        Trade(row.tradeId, row.ts * MS, price, size, _SIDES[row.side], row.count, row.tradeId - row.count + 1, received)
        for row, price, size in zip(run, prices, amounts, strict=True)
    ]


def bars(run: Sequence[CandleRow], tape: Tape) -> list[tuple[Bar, bool, int]]:
    """Read candles as (bar, closed, time in ns); they tell no time but their own."""
    return [(bar(row, tape), row.confirm == "1", row.ts * MS + (row.confirm == "1") * MINUTE) for row in run]


def bar(row: CandleRow, tape: Tape) -> Bar:
    """Read a candle: it counts contracts exactly, and rounds sums of what they came to."""
    opened, high, low, close = exact([row.open, row.high, row.low, row.close], tape.price_digits)
    if tape.inverse:
        volume, quote = nearest(row.volCcy, tape.size_digits), turnover(row.vol, tape)
    else:
        volume = sizes([row.vol], [close], tape)[0]
        quote = nearest(row.volCcyQuote, tape.price_digits + tape.size_digits)
    if not 0 <= volume <= INT64 or quote < 0:
        raise BadNumber(f"a bar of {row.vol} contracts, {row.volCcy} and {row.volCcyQuote} cannot be")
    return Bar(row.ts * MS, opened, high, low, close, volume, quote)


def ticker(row: TickerRow, instrument: str) -> Ticker:
    """Read a 24 h ticker; of contracts `volCcy24h` is in base units, and nothing tells the quote volume."""
    spot = row.instType == "SPOT"
    return Ticker(
        instrument, row.ts * MS, row.last, row.open24h, row.high24h, row.low24h,
        row.vol24h if spot else row.volCcy24h, row.volCcy24h if spot else "", "", -1, -1, -1, row.bidPx, row.askPx,
    )  # fmt: skip


def quote(row: BookRow, tape: Tape) -> Quote:
    """Read a best bid and ask; of a side that is empty nothing is told."""
    bid, ask = _best(row.bids, tape), _best(row.asks, tape)
    return Quote(tape.instrument, row.seqId, row.ts * MS, *bid, *ask)


def _best(side: Sequence[Level], tape: Tape) -> tuple[str, str]:
    if not side:
        return "", ""
    return side[0].px, plain(_levels(side[:1], tape)[0][1], tape.size_digits)


def depth(row: BookRow, tape: Tape) -> DepthDiff | DepthSnapshot:
    """Read a change of the book, or the whole of it, which begins it anew."""
    bids, asks = _levels(row.bids, tape), _levels(row.asks, tape)
    if row.action != "update":
        return DepthSnapshot(row.seqId, row.ts * MS, bids, asks)
    previous = row.prevSeqId if row.prevSeqId >= 0 else None
    return DepthDiff(row.seqId, row.seqId, previous, row.ts * MS, bids, asks)


def _levels(side: Sequence[Level], tape: Tape) -> list[tuple[int, int]]:
    if not side:
        return []
    prices = exact([level.px for level in side], tape.price_digits)
    return list(zip(prices, sizes([level.sz for level in side], prices, tape), strict=True))


def statuses(row: InstrumentRow) -> dict[str, Status]:
    """Read the state of an instrument."""
    return {row.instId: status(row.state)}
