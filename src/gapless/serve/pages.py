"""Answers in pages: what is asked of the market, bounded, with the place where the next page begins."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from typing import Any, Concatenate, ParamSpec

from msgspec.structs import asdict

from gapless.derive.indicators.indicator import Indicator
from gapless.errors import BadInput, UnknownName
from gapless.model import MINUTE, Instrument, Proof, Quote, Tape, Ticker, Timeframe, Trade
from gapless.model.times import in_epoch, iso
from gapless.query.audit import audit_object, audit_tape
from gapless.query.explain import explain
from gapless.query.feed import gap_row
from gapless.query.footprint import footprint_answer
from gapless.query.indicators import candles_with, indicators_asked
from gapless.query.market import Basis, Market
from gapless.query.present import candle_rows, instrument_rows, listing, trade_rows
from gapless.query.profiles import profile_answer
from gapless.serve.questions import (
    MOST_BARS,
    MOST_FOOTPRINTS,
    MOST_GAPS,
    MOST_INDICATORS,
    MOST_MINUTES,
    at_most,
    bars_at_most,
)

P = ParamSpec("P")
STATES = ("open", "repaired", "permanent", "expired")


def plain_listing(
    rows: list[dict[str, Any]], sources: list[str], *, began: float, proof: str | None = None
) -> dict[str, Any]:
    """Wrap rows that no proof is asked of in the shape of every list; `began` is of `perf_counter`."""
    elapsed = round((time.perf_counter() - began) * 1_000, 3)
    return {"rows": rows, "proof": proof, "revision": 0, "sources": sources, "missing": [], "elapsed_ms": elapsed}


def then(page: Callable[Concatenate[Market, P], dict[str, Any]], at: int | None) -> Callable[..., dict[str, Any]]:
    """Give a page of what was known at a time (ns UTC of this machine), or the page itself without one."""
    return lambda market, *args, **named: page(market.as_of(at), *args, **named)


def instruments(market: Market) -> dict[str, Any]:
    """Answer the instruments."""
    began = time.perf_counter()
    return plain_listing(instrument_rows(market.reader.instruments()), ["store"], began=began)


def candles(
    market: Market,
    name: str,
    timeframe: Timeframe,
    *,
    start: int | None,
    end: int | None,
    last: int | None,
    basis: Basis,
    live: bool,
    epoch: str | None,
    indicators: Sequence[str] = (),
    least: Proof = Proof.DISPUTED,
) -> dict[str, Any]:
    """Answer candles; `next` is the start of the next page where a range has more bars than one answer holds.

    Every value of the indicators rests on bars that are proven at least as well as `least`.
    """
    instrument = market.instrument(name)
    asked = indicators_asked(indicators, timeframe)
    _bounded(market, instrument, timeframe, asked)
    most = bars_at_most(timeframe, MOST_BARS)
    after = _cut(market, instrument, timeframe, start, end, most=most)
    answer = candles_with(
        market,
        instrument,
        timeframe,
        asked,
        start=start,
        end=end if after is None else after,
        last=(last or most) if start is None else None,
        basis=basis,
        live=live and after is None,
        least=least,
    )
    body = listing(answer, candle_rows(answer, epoch=epoch), epoch=epoch)
    return body | {"next": None if after is None else in_epoch(after, epoch)}


def _bounded(market: Market, instrument: Instrument, timeframe: Timeframe, indicators: Sequence[Indicator]) -> None:
    """Refuse indicators that would read too much of what is held."""
    at_most(len(indicators) or 1, "with", MOST_INDICATORS)
    oldest, newest = market.reader.oldest_candle(instrument.id), market.reader.newest_candle(instrument.id)
    held = (newest.start - oldest.start) // MINUTE if oldest and newest else 0
    for indicator in indicators:
        minutes = (indicator.bars or 1) * timeframe.minutes
        if min(minutes, held) > MOST_MINUTES:
            raise BadInput(
                f"with: {indicator.text} on {timeframe} reads {minutes:,} minutes; one answer reads {MOST_MINUTES:,}"
            )


def footprints(
    market: Market,
    name: str,
    timeframe: Timeframe,
    *,
    start: int | None,
    end: int | None,
    last: int | None,
    live: bool,
    ticks_per_row: int | None,
    epoch: str | None,
) -> dict[str, Any]:
    """Answer footprints; `next` is as with candles."""
    instrument = market.instrument(name)
    most = bars_at_most(timeframe, MOST_FOOTPRINTS)
    after = _cut(market, instrument, timeframe, start, end, most=most)
    body = footprint_answer(
        market,
        instrument,
        timeframe,
        start,
        end if after is None else after,
        (last or 1) if start is None else None,
        live=live and after is None,
        ticks_per_row=ticks_per_row,
        epoch=epoch,
    )
    return body | {"next": None if after is None else in_epoch(after, epoch)}


def profiles(
    market: Market,
    name: str,
    session: Timeframe,
    *,
    start: int | None,
    end: int | None,
    last: int | None,
    live: bool,
    ticks_per_row: int | None,
    epoch: str | None,
) -> dict[str, Any]:
    """Answer volume profiles; `next` is as with candles."""
    instrument = market.instrument(name)
    after = _cut(market, instrument, session, start, end, most=bars_at_most(session, MOST_FOOTPRINTS))
    body = profile_answer(
        market, instrument, session, start, end if after is None else after, (last or 1) if start is None else None,
        live=live and after is None, ticks_per_row=ticks_per_row, epoch=epoch,
    )  # fmt: skip
    return body | {"next": None if after is None else in_epoch(after, epoch)}


def explained(market: Market, name: str, timeframe: Timeframe, *, start: int, epoch: str | None) -> dict[str, Any]:
    """Answer where every part of a candle came from."""
    return explain(market, market.instrument(name), timeframe, start, epoch=epoch)


def _cut(
    market: Market, instrument: Instrument, timeframe: Timeframe, start: int | None, end: int | None, *, most: int
) -> int | None:
    """Give where a range is cut after `most` bars, counted from the oldest candle; None where it is not."""
    oldest, newest = market.reader.oldest_candle(instrument.id), market.reader.newest_candle(instrument.id)
    if start is None or oldest is None or newest is None:
        return None
    beyond = newest.start if end is None else min(newest.start, end - 1)
    return cut_after(timeframe, max(start, oldest.start), beyond, most=most)


def cut_after(timeframe: Timeframe, begin: int, beyond: int, *, most: int) -> int | None:
    """Give the end of `most` bars from the one that holds `begin` on; None where they hold `beyond`, the last time."""
    cut = timeframe.start_of(begin)
    for _ in range(most):
        cut = timeframe.end_of(cut)
        if cut > beyond:
            return None
    return cut


def trades(
    market: Market,
    name: str,
    *,
    start: int | None,
    end: int | None,
    first: int | None,
    limit: int,
    received: bool,
    epoch: str | None,
) -> dict[str, Any]:
    """Answer at most `limit` trades: from a time, from the id `first`, or else the newest.

    `next` is the id to ask for as `first`, None at the end. Pages join by id: trades share milliseconds.
    """
    began = time.perf_counter()
    instrument = market.instrument(name)
    tape = market.primary(instrument.id)
    if tape is None:
        raise UnknownName(f"the store holds no trades of {instrument.id}; it holds candles")
    if first is None and start is not None:
        found = market.stream_trades(instrument, start=start, end=end)
    else:
        newest = max((span.last for span in market.reader.all_spans(tape.id)), default=-1)
        found = _from_id(market, tape, newest - limit + 1 if first is None else first, newest=newest, end=end)
    with closing(found) as rows:  # type: ignore[type-var]
        page = list(islice(rows, limit))
    answer = market.trade_answer(instrument, tape, page, began=began, since=first)
    body = listing(answer, trade_rows(answer, epoch=epoch, received=received), epoch=epoch)
    return body | {"next": page[-1].seq + 1 if len(page) == limit else None}


def _from_id(market: Market, tape: Tape, first: int, *, newest: int, end: int | None) -> Iterator[Trade]:
    """Go through the trades from an id on, to the last one before a time."""
    while first <= newest:
        for trade in market.reader.trades(tape.id, first, first + 999):
            if end is not None and trade.time >= end + MINUTE:
                return
            if end is None or trade.time < end:
                yield trade
        first += 1_000


def gaps(market: Market, name: str | None, states: tuple[str, ...]) -> dict[str, Any]:
    """Answer the named gaps in some states, newest first and at most 10,000."""
    began = time.perf_counter()
    found = [
        (tape, gap)
        for tape in market.reader.tapes(market.instrument(name).id if name else None)
        for state in states
        for gap in market.reader.gaps(tape.id, state)
    ]
    found.sort(key=lambda pair: -pair[1].opened)
    return plain_listing([gap_row(tape, gap) for tape, gap in found[:MOST_GAPS]], ["store"], began=began)


def coverage(market: Market, name: str | None) -> dict[str, Any]:
    """Answer the audit of every tape (of one instrument)."""
    began = time.perf_counter()
    tapes = market.reader.tapes(market.instrument(name).id if name else None)
    audits = [audit_tape(market.reader, tape) for tape in tapes]
    missing = [
        [iso(hole.since), iso(hole.until)]
        for audit in audits
        for hole in audit.holes
        if hole.since is not None and hole.until is not None
    ]
    body = plain_listing([audit_object(audit) for audit in audits], ["store"], began=began)
    return body | {"missing": missing}


def newest_row(value: Ticker | Quote) -> dict[str, Any]:
    """Write a ticker or a quote as a row; what the venue does not tell is None."""
    row = {name: None if told in ("", -1) else told for name, told in asdict(value).items()}
    return row | {"time": iso(value.time) if value.time else None}
