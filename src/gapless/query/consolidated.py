"""Answers about consolidated instruments: whose minute it is, whose trades they are, and who was active when."""

import time
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

from msgspec.structs import replace

from gapless.consolidate.minute import Digits, SourceSpan, chosen, rescaled, runs, within
from gapless.consolidate.timeline import Timeline, Turn, at_end, turn_of
from gapless.derive.candles import fold
from gapless.errors import BadInput, UnknownName
from gapless.model import MINUTE, Candle, Proof, State, Tape, Timeframe, Trade
from gapless.model.instrument import squeeze
from gapless.model.times import in_epoch, iso
from gapless.ports import TapeReader
from gapless.query.answer import ConsolidatedAnswer, ConsolidatedTrades, TradeAnswer
from gapless.query.market import Market, bounds, missing_of
from gapless.query.present import candle_row, trade_row

_END = 2**62
_KINDS = ("spot", "perpetual")


def timelines(reader: TapeReader) -> dict[str, Timeline]:
    """Read who was active when, by symbol."""
    turns: dict[str, list[Turn]] = {}
    for turn in turns_of(reader):
        turns.setdefault(turn.unified, []).append(turn)
    return {symbol: Timeline(some) for symbol, some in turns.items()}


def turns_of(reader: TapeReader, symbol: str | None = None) -> list[Turn]:
    """Read the turns of every consolidated instrument (one), in the order they were recorded."""
    return [turn_of(name, detail, at) for name, detail, at in reader.switches(symbol)]


def consolidated(market: Market, text: str) -> "Consolidated":
    """Give the consolidated instrument that a text means, by its unified symbol in any usual spelling.

    What no run has consolidated, and several venues of the store have, is one with the first of them as its primary.
    """
    if turns := turns_of(market.reader, text):
        return Consolidated(market, text, Timeline(turns))
    known = timelines(market.reader)
    for symbol, ids in _shared(market.reader).items():
        if symbol not in known:
            first = Turn(
                unified=symbol, source=ids[0], former=None, reason="", instant=0, number=0, known_at=0,
                sources=tuple(ids),
            )  # fmt: skip
            known[symbol] = Timeline([first])
    if text in known:
        return Consolidated(market, text, known[text])
    found = [symbol for symbol in known if squeeze(symbol) == squeeze(text)]
    if len(found) == 1:
        return Consolidated(market, found[0], known[found[0]])
    if not known:
        raise UnknownName(f"no instrument is consolidated: {text!r} is not held of two venues")
    near = get_close_matches(text, known, 1)
    hint = f"; did you mean {near[0]}?" if near else f"; allowed are {', '.join(list(known)[:5])}"
    raise UnknownName(f"there is no consolidated instrument {text!r}{hint}")


def _shared(reader: TapeReader) -> dict[str, list[str]]:
    """List the symbols that the store holds of several venues, each with the ids."""
    groups: dict[tuple[str, str], dict[str, str]] = {}
    for one in reader.instruments():
        if one.kind in _KINDS:
            groups.setdefault((one.unified, one.kind), {}).setdefault(one.venue, one.id)
    return {symbol: list(ids.values()) for (symbol, _), ids in groups.items() if len(ids) > 1}


class Consolidated:
    """One consolidated instrument: everything in the digits of its finest source."""

    def __init__(self, market: Market, symbol: str, timeline: Timeline) -> None:
        self.symbol = symbol
        self.timeline = timeline
        self.scales = {source: digits for source in timeline.ever if (digits := _digits(market.reader, source))}
        self.sources = list(self.scales)
        self.digits: Digits = (
            max((digits[0] for digits in self.scales.values()), default=0),
            max((digits[1] for digits in self.scales.values()), default=0),
        )
        self._market = market
        self._reader = market.reader

    def candles(
        self,
        timeframe: Timeframe,
        *,
        start: int | None = None,
        end: int | None = None,
        last: int | None = None,
        live: bool = False,
    ) -> ConsolidatedAnswer:
        """Give candles of any timeframe for [start, end), or the last N closed ones; times are ns UTC."""
        began = time.perf_counter()
        closed = self.closed_until()
        asked, until = bounds(timeframe, start, end, last, closed)
        oldest = self.oldest()
        begin = until if oldest is None else max(asked, timeframe.start_of(oldest))
        minutes = self.minutes(begin, until)
        rows, spans = list(fold((candle for _, candle in minutes), timeframe)), runs(minutes)
        if live and (start is None or start <= timeframe.start_of(closed)):
            forming = self._forming(timeframe, closed, end)
            rows += [replace(bar, state=State.OPEN) for bar in fold((candle for _, candle in forming), timeframe)]
            spans += runs(forming)
        used = {span.source for span in spans if span.source}
        evidence = {name for source in used for name in self._market.evidence(source, begin, until)}
        return ConsolidatedAnswer(
            instrument=self.symbol,
            timeframe=timeframe,
            price_digits=self.digits[0],
            size_digits=self.digits[1],
            rows=rows,
            spans=spans,
            sources=sorted(evidence or {"store"}),
            missing=missing_of([c for _, c in minutes], begin if start is None or end is None else asked, until),
            elapsed_ms=(time.perf_counter() - began) * 1_000,
        )

    def known(self, number: int) -> "Consolidated":
        """Give it with what was known of its turns after a commit."""
        timeline = self.timeline.known(number)
        return self if timeline is self.timeline else Consolidated(self._market, self.symbol, timeline)

    def oldest(self) -> int | None:
        """Give the oldest minute that any source has closed."""
        return min((one.start for one in map(self._reader.oldest_candle, self.sources) if one), default=None)

    def closed_until(self) -> int:
        """Give the end of the newest minute that its active source has closed."""
        newest = {source: one.start for source in self.sources if (one := self._reader.newest_candle(source))}
        at = max(newest.values(), default=-MINUTE)
        while at >= 0 and newest.get(owner := at_end(self.timeline, at), -1) < at:
            turn = self.timeline.since(at + MINUTE - 1)
            at = max(newest.get(owner, -MINUTE), turn - turn % MINUTE - MINUTE)
        return at + MINUTE

    def minutes(self, begin: int, until: int, *, number: int | None = None) -> list[tuple[str | None, Candle]]:
        """Give every minute of [begin, until) with the source it came from, as it stood after a commit or stands."""
        held: dict[int, dict[str, Candle]] = {at: {} for at in range(begin, until, MINUTE)}
        for source, start, end in self.timeline.spans(begin, until) if held else ():
            first, stop = max(_ceil(start - MINUTE + 1), begin), min(_ceil(end - MINUTE + 1), until)
            self._read(source, first, stop, number, held)
            weak = [at for at in range(first, stop, MINUTE) if not _whole(held[at].get(source))]
            for other in self.sources if weak else ():
                if other != source:
                    self._read(other, weak[0], weak[-1] + MINUTE, number, held)
        return [chosen(self.timeline, at, candles) for at, candles in held.items()]

    def _read(self, source: str, begin: int, end: int, number: int | None, into: dict[int, dict[str, Candle]]) -> None:
        if begin >= end or source not in self.scales:
            return
        if number is None:
            rows = self._reader.candles(source, begin, end)
        else:
            rows = self._reader.candles_as_of(source, begin, end, number)
        for candle in rows:
            into[candle.start][source] = rescaled(candle, self.scales[source], self.digits)

    def bar(self, start: int, timeframe: Timeframe, number: int) -> tuple[Candle, list[SourceSpan]] | None:
        """Give a bar as it stood after a commit; None while the active source had not closed its last minute."""
        last = timeframe.end_of(start) - MINUTE
        owner = at_end(self.timeline, last)
        if owner not in self.scales or self._reader.candle_as_of(owner, last, number) is None:
            return None
        minutes = self.minutes(start, last + MINUTE, number=number)
        (bar,) = fold((candle for _, candle in minutes), timeframe)
        return bar, runs(minutes)

    def _forming(self, timeframe: Timeframe, closed: int, end: int | None) -> list[tuple[str | None, Candle]]:
        begin = timeframe.start_of(closed)
        if end is not None and end <= begin:
            return []
        minutes = self.minutes(begin, closed)
        active = self.timeline.active(_END)
        if active in self.scales and (tail := self._market.forming(active, closed)):
            minutes.append((active, rescaled(tail, self.scales[active], self.digits)))
        return minutes

    def trades(
        self, *, start: int | None = None, end: int | None = None, first: str | None = None, limit: int | None = None
    ) -> ConsolidatedTrades:
        """Give the consolidated tape of [start, end), each trade with its source: turn by turn, each by id.

        `first` goes on from the trade that `next` of a page named, `limit` is how many a page has.
        """
        began = time.perf_counter()
        found = self._tape(start or 0, _END if end is None else end, first)
        rows = list(found if limit is None else islice(found, limit + 1))
        following = rows.pop() if limit is not None and len(rows) > limit else None
        parts = [
            self._proven(source, [trade for _, trade in run], follows=number > 0 or first is not None)
            for number, (source, run) in enumerate(groupby(rows, itemgetter(0)))
        ]
        return ConsolidatedTrades(
            instrument=self.symbol,
            digits=self.scales,
            rows=rows,
            proof=min((part.proof for part in parts), default=Proof.MISSING),
            sources=sorted({name for part in parts for name in part.sources} or {"store"}),
            missing=[span for part in parts for span in part.missing],
            next=f"{following[0]}@{following[1].seq}" if following else None,
            elapsed_ms=(time.perf_counter() - began) * 1_000,
        )

    def _proven(self, source: str, run: list[Trade], *, follows: bool) -> TradeAnswer:
        """Say of the trades of one turn how well they are proven, and what is missing between them.

        Of those that `follow` others, of another turn or page, also what is missing right before them.
        """
        tape = self.tape(source)
        assert tape is not None, "trades come from a tape"
        run.sort(key=lambda trade: trade.seq)
        before = self._reader.trade_before(tape.id, run[0].seq) if follows else None
        since = before.seq + 1 if before else None
        return self._market.trade_answer(self._reader.instrument(source), tape, run, began=0.0, since=since)

    def _tape(self, start: int, end: int, first: str | None) -> Iterator[tuple[str, Trade]]:
        seq, begin = 0, start
        if first is not None:
            seq, at = self._placed(first)
            begin = max(start, self.timeline.since(at), at - 2 * MINUTE)  # times of ids in a row hardly differ
        for source, since, until in self.timeline.spans(begin, end):
            tape = self.tape(source)
            for trade in self._reader.trades_in(tape.id, since, until) if tape else ():
                if trade.seq >= seq or since != begin:
                    yield source, trade

    def _placed(self, first: str) -> tuple[int, int]:
        source, _, seq = first.rpartition("@")
        tape = self.tape(source)
        found = self._reader.trades(tape.id, int(seq), int(seq)) if tape and seq.isdecimal() else []
        if not found:
            raise BadInput(f"first: {first!r} is no place in {self.symbol}; allowed is `next` of the page before")
        return found[0].seq, found[0].time

    def tape(self, source: str) -> Tape | None:
        """Give the tape of trades of a source."""
        return self._market.primary(source) if source in self.scales else None


def _digits(reader: TapeReader, source: str) -> Digits | None:
    try:
        described = reader.instrument(source)
    except UnknownName:  # it was never collected
        return None
    return described.price_digits, described.size_digits


def _ceil(time: int) -> int:
    return time + -time % MINUTE


def _whole(candle: Candle | None) -> bool:
    return candle is not None and candle.proof >= Proof.OFFICIAL


def consolidated_row(
    candle: Candle, spans: Iterable[SourceSpan], digits: Digits, *, epoch: str | None = None
) -> dict[str, Any]:
    """Write a consolidated candle: `source` where all of it came from one, and `sources` minute by minute."""
    parts = [
        {"source": one.source, "start": in_epoch(one.start, epoch), "end": in_epoch(one.end, epoch)} for one in spans
    ]
    names = {part["source"] for part in parts}
    alone = names.pop() if len(names) == 1 else None
    return candle_row(candle, *digits, epoch=epoch) | {"source": alone, "sources": parts}


def consolidated_rows(answer: ConsolidatedAnswer, *, epoch: str | None = None) -> Iterator[dict[str, Any]]:
    """Write consolidated candles as rows."""
    for row in answer.rows:
        spans = within(answer.spans, row.start, answer.timeframe.end_of(row.start))
        yield consolidated_row(row, spans, (answer.price_digits, answer.size_digits), epoch=epoch)


def consolidated_trade(
    source: str, trade: Trade, digits: Mapping[str, Digits], *, epoch: str | None = None
) -> dict[str, Any]:
    """Write a trade of the consolidated tape, in the digits of its source."""
    return {"source": source, **trade_row(trade, *digits[source], epoch=epoch)}


def trades_listing(answer: ConsolidatedTrades, *, epoch: str | None = None) -> dict[str, Any]:
    """Write a stretch of a consolidated tape in the shape of every list."""
    return {
        "rows": [consolidated_trade(source, trade, answer.digits, epoch=epoch) for source, trade in answer.rows],
        "proof": answer.proof.text,
        "revision": 0,
        "sources": answer.sources,
        "missing": [[in_epoch(a, epoch), in_epoch(b, epoch)] for a, b in answer.missing],
        "next": answer.next,
        "elapsed_ms": round(answer.elapsed_ms, 3),
    }


def switch_row(turn: Turn, *, epoch: str | None = None) -> dict[str, Any]:
    """Write a switch: `instant` is the exchange time from which on the new source counts, `timestamp` when it was
    known, ms of the machine."""
    return {
        "instrument": turn.unified,
        "from": turn.former,
        "to": turn.source,
        "reason": turn.reason,
        "instant": in_epoch(turn.instant, epoch) if turn.instant else None,
        "timestamp": turn.known_at // 1_000_000,
        "known_at": in_epoch(turn.known_at, epoch) if epoch else iso(turn.known_at),
        "sources": list(turn.sources),
    }
