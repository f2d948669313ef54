"""Reads Binance's frames into values: scaled integers, ns, the aggressor's side."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

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
    ServerShutdown,
    SpotBookTicker,
    Ticker24,
    TradeEvent,
)
from gapless.venues.quantities import bounded, exact, levels
from gapless.venues.spec import Control, Grouped

_FRAME = msgspec.json.Decoder(Frame)
_BOOK = msgspec.json.Decoder(BookFrame)


def group(frames: Iterable[bytes]) -> Grouped:
    """Decode a batch of combined frames and lay them out by stream name, in the order received."""
    runs: dict[str, list[Any]] = {}
    result = Grouped(runs, [], [], [])
    decode = _FRAME.decode
    known = runs.get
    for raw in frames:
        try:
            frame = decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            _odd(raw, result)
            continue
        run = known(frame.stream)
        if run is not None:
            run.append(frame.data)
        else:
            _first(frame, raw, result)
    return result


def _first(frame: Frame, raw: bytes, result: Grouped) -> None:
    """Take the first event of a stream in this batch, or a frame that is none."""
    if frame.data is None:
        _control(frame, raw, result)
    elif isinstance(frame.data, ServerShutdown):
        result.notices.append("serverShutdown")
    elif frame.stream:
        result.runs[frame.stream] = [frame.data]
    else:
        result.malformed.append(raw)


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

    A frame of price 0 and size 0 is a trade id spent without a fill: it keeps its place in the order. Events of
    another kind than the tape's number something else: they are a `TypeError`.
    """
    if not isinstance(run[0], AggTrade if tape.kind == "agg" else TradeEvent):
        raise TypeError(f"{type(run[0]).__name__} is no event of {tape.name}")
    prices = exact([w.p for w in run], tape.price_digits, padded)
    sizes = exact([w.q for w in run], tape.size_digits, padded)
    bounded(max(prices), max(sizes), tape)
    if isinstance(run[0], AggTrade):
        return [
            Trade(w.a, w.T * MS, p, q, -1 if w.m else 1, w.l - w.f + 1, w.f, received)  # type: ignore[union-attr]
            for w, p, q in zip(run, prices, sizes, strict=True)
        ]
    return [
        Trade(w.t, w.T * MS, p, q, -1 if w.m else 1, 1, w.t, received)  # type: ignore[union-attr]
        for w, p, q in zip(run, prices, sizes, strict=True)
    ]


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
