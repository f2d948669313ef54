"""What a store held at an earlier moment: candles as they stood, trades that had come, gaps and signals known then."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from msgspec.structs import replace

from gapless.model import (
    MINUTE,
    Candle,
    Gap,
    MinuteFold,
    Origin,
    Proof,
    Span,
    State,
    Tape,
    Timeframe,
    Trade,
)
from gapless.model.signal import Judged
from gapless.ports import MinuteRow
from gapless.store.retained import Retained
from gapless.store.rows import TRADE
from gapless.store.timed import DISORDER

_END = 2**63 - 1
_STATES = ("open", "repaired", "permanent", "expired")


class Past(Retained):
    """Reads a store as it stood at an earlier moment, as far as answers about the market ask for it.

    What vouches for trades is told as it is known today. Of a minute whose trades were not whole then, and some of
    which have expired since, nothing is told but its candle.
    """

    def __init__(self, present: Retained, at: int) -> None:
        super().__init__(present.connection, present.environment())
        self._at = at
        self._number, self._beyond = present.number_at(at), present.number_at(at + DISORDER)
        self._later: dict[int, tuple[str, list[int]]] = {}

    def as_of(self, at: int) -> "Past":
        """Give a reader of what was known at a time, or then where that is earlier."""
        return Past(self, min(at, self._at))

    def log_span(self) -> tuple[int, int]:
        """Give the oldest commit number of the log and the newest that was known."""
        return super().log_span()[0], self._number

    # Candles

    def candle(self, instrument: str, start: int) -> Candle | None:
        """Give the closed candle of a minute."""
        return self.candle_as_of(instrument, start, self._number)

    def candles(self, instrument: str, start: int, end: int) -> list[Candle]:
        """List the closed 1m candles that begin in [start, end)."""
        return self.candles_as_of(instrument, start, end, self._number)

    def oldest_candle(self, instrument: str) -> Candle | None:
        """Give the oldest closed candle."""
        return self._outermost(instrument, 0, _END, newest=False)

    def newest_candle(self, instrument: str) -> Candle | None:
        """Give the newest closed candle."""
        return self._outermost(instrument, 0, _END, newest=True)

    def candle_before(self, instrument: str, start: int) -> Candle | None:
        """Give the newest candle with prices before a time."""
        candle = self._outermost(instrument, 0, start, newest=True)
        while candle and candle.close is None:
            candle = self._outermost(instrument, 0, candle.start, newest=True)
        return candle

    def candle_after(self, instrument: str, start: int) -> Candle | None:
        """Give the next closed candle after the one that begins at a time."""
        return self._outermost(instrument, start + 1, _END, newest=False)

    def _outermost(self, instrument: str, start: int, end: int, *, newest: bool) -> Candle | None:
        """Give the first or the last candle of [start, end); one that was revised since may be the only one then."""
        key, order = self.scale(instrument).key, "DESC" if newest else "ASC"
        row = self.one(
            "SELECT start FROM candle WHERE instrument = ? AND resolution = 1 AND start >= ? AND start < ? "  # noqa: S608
            f"AND revision >= 0 AND written <= ? ORDER BY start {order} LIMIT 1",
            (key, start, end, self._number),
        )
        if row:
            start, end = (row[0] + 1, end) if newest else (start, row[0])
        former = self.one(
            "SELECT start FROM revision WHERE instrument = ? AND start >= ? AND start < ? AND written <= ? "  # noqa: S608
            f"AND replaced > ? ORDER BY start {order} LIMIT 1",
            (key, start, end, self._number, self._number),
        )
        found = former or row
        return self.candle(instrument, found[0]) if found else None

    def ranges(self, instrument: str, start: int, end: int, timeframe: Timeframe) -> list[int]:
        """List high - low of the bars of a timeframe that traded, oldest first, from the minutes of [start, end)."""
        spans: dict[int, tuple[int, int]] = {}
        for candle in self.candles(instrument, start, end):
            if candle.high is None or candle.low is None or candle.state is State.EMPTY:
                continue
            begin = timeframe.start_of(candle.start)
            high, low = spans.get(begin, (candle.high, candle.low))
            spans[begin] = max(high, candle.high), min(low, candle.low)
        return [high - low for high, low in spans.values()]

    def switches(self, symbol: str | None = None) -> list[tuple[str, dict[str, Any], int]]:
        """List which source was active from when on, as far as that was known."""
        return [row for row in super().switches(symbol) if row[1]["number"] <= self._number]

    # Trades

    def trades(self, tape: int, first: int, last: int) -> list[Trade]:
        """List the trades with ids `first` to `last`, ascending."""
        return self._trades(tape, "AND seq BETWEEN ? AND ? ORDER BY seq", (first, last))

    def trade_before(self, tape: int, seq: int) -> Trade | None:
        """Give the newest trade with an id below `seq`."""
        return next(iter(self._trades(tape, "AND seq < ? ORDER BY seq DESC LIMIT 1", (seq,))), None)

    def trade_after(self, tape: int, seq: int) -> Trade | None:
        """Give the oldest trade with an id above `seq`."""
        return next(iter(self._trades(tape, "AND seq > ? ORDER BY seq LIMIT 1", (seq,))), None)

    def trades_in(self, tape: int, start: int, end: int) -> Iterator[Trade]:
        """Go through the trades with times in [start, end), by id."""
        return (trade for trade in super().trades_in(tape, start, end) if self._had(tape, trade))

    def _trades(self, tape: int, condition: str, params: Sequence[int]) -> list[Trade]:
        known, ids = self._known(tape)
        rows = self.connection.execute(
            f"SELECT {TRADE} FROM trade WHERE tape = ? AND {known} {condition}",  # noqa: S608
            (tape, *ids, *params),
        )
        return [Trade(*row) for row in rows]

    def _known(self, tape: int) -> tuple[str, list[int]]:
        """Write as a condition which trades were held: those received by then but for what was still to be committed,
        which the log tells."""
        found = self._later.get(tape)
        if found is None:
            rows = self.connection.execute(
                "SELECT first, last FROM log WHERE number > ? AND number <= ? AND kind = 'trades' AND tape = ? "
                "ORDER BY first",
                (self._number, self._beyond, tape),
            )
            ranges: list[int] = []
            for first, last in rows:
                if ranges and first <= ranges[-1] + 1:
                    ranges[-1] = max(ranges[-1], last)
                else:
                    ranges += first, last
            apart = " AND seq NOT BETWEEN ? AND ?" * (len(ranges) // 2)
            found = self._later[tape] = f"received <= ?{apart}", [self._at, *ranges]
        return found

    def _had(self, tape: int, trade: Trade) -> bool:
        ranges = self._known(tape)[1][1:]
        pairs = zip(ranges[::2], ranges[1::2], strict=True)
        return trade.received <= self._at and not any(first <= trade.seq <= last for first, last in pairs)

    def minute(self, tape: int, start: int) -> MinuteRow | None:
        """Give a minute that has trades, of which none may have come by then."""
        row = super().minute(tape, start)
        return None if row is None or self._thinned(tape, row) else row

    def minute_from(self, tape: int, time: int) -> MinuteRow | None:
        """Give the first minute with trades at or after a time; none of them may have come by then."""
        row = super().minute_from(tape, time)
        while row is not None and self._thinned(tape, row):
            row = super().minute_from(tape, row.start + MINUTE)
        return row

    def _thinned(self, tape: int, row: MinuteRow) -> bool:
        """Say whether some trades of a minute have expired: what was held of it then cannot be told from the rest."""
        last = row.first_seq if row.last_seq is None else row.last_seq
        expired = self.connection.execute(
            "SELECT 1 FROM expired WHERE tape = ? AND kind = 'trades' AND first <= ? AND last >= ? LIMIT 1",
            (tape, last, row.first_seq),
        )
        return expired.fetchone() is not None

    def folds(self, tape: int, start: int, end: int) -> list[MinuteFold]:
        """List the folds of closed minutes that begin in [start, end) to which no trade can have come since."""
        instrument = self._tape(tape).instrument
        same = {
            candle.start
            for candle, stands in self.stood(instrument, start, end, self._number)
            if candle.proof is Proof.DISPUTED  # its trades were whole, as those of
            or candle.proof >= Proof.REPAIRED
            or (stands and candle.origin is Origin.TAPE)
        }
        return [fold for fold in super().folds(tape, start, end) if fold.bar.start in same]

    # The ledger

    def spans(self, tape: int, first: int, last: int) -> list[Span]:
        """List the vouched spans that touch ids `first` - 1 to `last` + 1, ascending."""
        return self._then(tape, super().spans(tape, first, last), first, last)

    def all_spans(self, tape: int) -> list[Span]:
        """List every vouched span of a tape, ascending, up to the newest id."""
        if self._tape(tape).kind == "bars":
            return self._then(tape, super().all_spans(tape), 0, _END // MINUTE - 1)
        newest = self.trade_before(tape, _END)
        return self._then(tape, _within(super().all_spans(tape), [(0, newest.seq)]), 0, newest.seq) if newest else []

    def _then(self, tape: int, spans: Iterable[Span], first: int, last: int) -> list[Span]:
        """Take from spans what had not come by then."""
        described = self._tape(tape)
        if described.kind == "bars":
            held = [
                candle.start // MINUTE
                for candle in self.candles(described.instrument, first * MINUTE, (last + 1) * MINUTE)
                if candle.origin is Origin.VENUE
            ]
            return _within(spans, _runs(held))
        known, ids = self._known(tape)
        rows = self.connection.execute(
            f"SELECT seq FROM trade WHERE tape = ? AND seq BETWEEN ? AND ? AND NOT ({known}) ORDER BY seq",  # noqa: S608
            (tape, first, last, *ids),
        )
        later = [seq for (seq,) in rows]
        pairs = [*_runs(later), *zip(ids[1::2], ids[2::2], strict=True)]
        return _without(spans, sorted(pairs))

    def gaps(self, tape: int, state: str) -> list[Gap]:
        """List the gaps of a tape that were in a state; what was closed later was open."""
        named = [gap for one in _STATES for gap in super(Past, self).gaps(tape, one) if gap.opened <= self._at]
        stood = [
            gap if gap.closed is None or gap.closed <= self._at else replace(gap, state="open", closed=None, reason="")
            for gap in named
        ]
        return sorted((gap for gap in stood if gap.state == state), key=lambda gap: gap.first)

    def signals(self, *args: Any, number: int, **named: Any) -> list[Judged]:
        """List signals as of a commit, or as of then where that is earlier."""
        return super().signals(*args, number=min(number, self._number), **named)

    def _tape(self, tape: int) -> Tape:
        return next(one for one in self.tapes() if one.id == tape)


def _runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Join ascending numbers that follow each other."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1] = runs[-1][0], number
        else:
            runs.append((number, number))
    return runs


def _within(spans: Iterable[Span], ranges: Sequence[tuple[int, int]]) -> list[Span]:
    """Give the parts of spans that lie within some ranges."""
    return [
        Span(max(span.first, first), min(span.last, last), span.evidence)
        for span in spans
        for first, last in ranges
        if first <= span.last and last >= span.first
    ]


def _without(spans: Iterable[Span], ranges: Sequence[tuple[int, int]]) -> list[Span]:
    """Give the parts of spans that lie outside of some ascending ranges."""
    left: list[Span] = []
    for span in spans:
        first = span.first
        for begin, end in ranges:
            if end < first or begin > span.last:
                continue
            if begin > first:
                left.append(Span(first, begin - 1, span.evidence))
            first = end + 1
        if first <= span.last:
            left.append(Span(first, span.last, span.evidence))
    return left
