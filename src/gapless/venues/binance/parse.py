"""Reads Binance's frames into values: scaled integers, ns, the aggressor's side."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from gapless.errors import BadNumber
from gapless.model import MS, Bar, Quote, Tape, Ticker, Trade
from gapless.model.book import DepthDiff
from gapless.model.number import scaled, wide
from gapless.venues.binance.wire import (
    AggTrade,
    BookFrame,
    BookTicker,
    DepthUpdate,
    Frame,
    Kline,
    KlineBody,
    Pair,
    ServerShutdown,
    SpotBookTicker,
    Ticker24,
    TradeEvent,
)
from gapless.venues.spec import Control, Grouped

_FRAME = msgspec.json.Decoder(Frame)
_BOOK = msgspec.json.Decoder(BookFrame)
_BOUND = 10**18


def group(frames: Iterable[bytes]) -> Grouped:
    """Decode a batch of combined frames and lay them out by stream name, in the order received."""
    runs: dict[str, list[Any]] = {}
    result = Grouped(runs, [], [], [])
    decode = _FRAME.decode
    for raw in frames:
        try:
            frame = decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            _odd(raw, result)
            continue
        data = frame.data
        if data is None or frame.stream == "":
            _control(frame, raw, result)
        elif (run := runs.get(frame.stream)) is not None:
            run.append(data)
        elif isinstance(data, ServerShutdown):
            result.notices.append("serverShutdown")
        else:
            runs[frame.stream] = [data]
    return result


def _odd(raw: bytes, result: Grouped) -> None:
    """Take a frame that is no tagged event: spot's best bid and ask, or something malformed."""
    try:
        book = _BOOK.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        result.malformed.append(raw)
        return
    result.runs.setdefault(book.stream, []).append(book.data)


def _control(frame: Frame, raw: bytes, result: Grouped) -> None:
    number = frame.id if isinstance(frame.id, int) else None
    if frame.error is not None:
        result.controls.append(Control(number, f"{frame.error.msg} ({frame.error.code})"))
    elif frame.code is not None:
        result.controls.append(Control(number, f"{frame.msg} ({frame.code})"))
    elif frame.id is not None:
        result.controls.append(Control(number, None))
    else:
        result.malformed.append(raw)


def trades(run: Sequence[AggTrade | TradeEvent], tape: Tape, received: int, padded: int | None) -> list[Trade]:
    """Read a run of trade events of one stream; every price and size is exact or `BadNumber`.

    A frame of price 0 and size 0 is a trade id spent without a fill: it keeps its place in the order.
    """
    price, size = _reader(tape.price_digits, padded), _reader(tape.size_digits, padded)
    if isinstance(run[0], AggTrade):
        return [
            Trade(w.a, w.T * MS, price(w.p), size(w.q), -1 if w.m else 1, w.l - w.f + 1, w.f, received)  # type: ignore[union-attr]
            for w in run
        ]
    return [Trade(w.t, w.T * MS, price(w.p), size(w.q), -1 if w.m else 1, 1, w.t, received) for w in run]  # type: ignore[union-attr]


def _reader(digits: int, padded: int | None) -> Callable[[str], int]:
    """Give the fastest exact reader of texts that carry `digits`, or `padded`, digits after the point."""
    shown = digits if padded is None else padded
    surplus: int = 10 ** (shown - digits)

    def read(text: str) -> int:
        whole, _, fraction = text.partition(".")
        if len(fraction) == shown:
            joined = whole + fraction
            if joined.isdigit() and joined.isascii():
                value, rest = divmod(int(joined), surplus)
                if not rest and value < _BOUND:
                    return value
        value = scaled(text, digits)
        if value < 0:
            raise BadNumber(f"{text} is negative")
        return value

    return read


def bars(run: Sequence[Kline], tape: Tape) -> list[tuple[Bar, bool, int]]:
    """Read kline events as (bar, closed, event time in ns)."""
    return [(bar(event.k, tape), event.k.x, event.E * MS) for event in run]


def bar(k: KlineBody, tape: Tape) -> Bar:
    """Read the body of a kline."""
    p, s, q = tape.price_digits, tape.size_digits, tape.price_digits + tape.size_digits
    return Bar(
        k.t * MS, scaled(k.o, p), scaled(k.h, p), scaled(k.l, p), scaled(k.c, p), scaled(k.v, s), wide(k.q, q), k.n,
        scaled(k.V, s), wide(k.Q, q), k.f, k.L,
    )  # fmt: skip


def ticker(event: Ticker24, instrument: str) -> Ticker:
    """Read a 24 h ticker."""
    return Ticker(
        instrument, event.E * MS, event.c, event.o, event.h, event.l, event.v, event.q, event.P, event.n,
        event.F, event.L,
    )  # fmt: skip


def quote(event: BookTicker | SpotBookTicker, instrument: str) -> Quote:
    """Read a best bid and ask."""
    return Quote(instrument, event.u, event.T * MS, event.b, event.B, event.a, event.A)


def depth(event: DepthUpdate, tape: Tape) -> DepthDiff:
    """Read a change of the book."""
    return DepthDiff(event.U, event.u, event.pu, event.E * MS, levels(event.b, tape), levels(event.a, tape))


def levels(pairs: Sequence[Pair], tape: Tape) -> list[tuple[int, int]]:
    """Read levels of a book."""
    return [(scaled(price, tape.price_digits), scaled(size, tape.size_digits)) for price, size in pairs]
