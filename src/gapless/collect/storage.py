"""What a store takes a day, kind by kind, and how long the disk lasts: measured now and then, never when asked."""

import asyncio
from collections.abc import Callable
from typing import Any

from gapless.model import DAY, HOUR, MINUTE, Tape
from gapless.ports import Clock, RowKind, TapeReader
from gapless.tape.aging import Ages
from gapless.tape.coverage import cut
from gapless.tape.room import days_left

_EVERY = 10 * MINUTE
_END = 2**62


class Storage:
    """Measures a store through a reader of its own; `told` is None until the first measurement.

    `room` gives the bytes of disk that may still be used, None where that is unknown.
    """

    def __init__(self, reader: TapeReader, ages: Ages, clock: Clock, room: Callable[[], int | None]) -> None:
        self.told: dict[str, Any] | None = None
        self._reader = reader
        self._ages = ages
        self._clock = clock
        self._room = room

    async def run(self) -> None:
        """Measure for ever."""
        while True:
            self.told = await asyncio.to_thread(self.measure)
            await self._clock.sleep(_EVERY)

    def measure(self) -> dict[str, Any]:
        """Give bytes a day by kind, by the newest day (events and log: the newest hour), and the days left."""
        measured = _Measured(self._reader, self._ages, self._clock.wall())
        rates, grows = measured.rates(), measured.grows()
        room = self._room()
        growing = [(rates[kind] or 0.0, grows[kind]) for kind in rates]
        left = None if room is None else days_left(growing, room + self._reader.unused_bytes())
        return {
            "bytes_per_day_of": {kind: None if rate is None else round(rate) for kind, rate in rates.items()},
            "days_left": None if left is None else round(left, 1),
        }


class _Measured:
    """One measurement. The day ends with the newest closed candle of the store."""

    def __init__(self, reader: TapeReader, ages: Ages, wall: int) -> None:
        self.reader = reader
        self.ages = ages
        self.wall = wall
        self.tapes = [tape for tape in reader.tapes() if tape.kind != "bars"]
        names = [instrument.id for instrument in reader.instruments()]
        oldest, newest = (
            {name: found.start for name in names if (found := read(name))}
            for read in (reader.oldest_candle, reader.newest_candle)
        )
        self.until = max(newest.values(), default=0) + MINUTE
        self.begin = max(self.until - DAY, min(oldest.values(), default=self.until))
        self.minutes = sum(
            max(newest[name] + MINUTE - max(self.begin, oldest[name]), 0) // MINUTE for name in newest if name in oldest
        )
        self.days = max(self.until - self.begin, MINUTE) / DAY

    def rates(self) -> dict[str, float | None]:
        """Give bytes a day by kind; None where the store does not tell what a row takes."""
        kinds: tuple[RowKind, ...] = ("trades", "candles", "events", "log")
        each = {kind: self.reader.row_bytes(kind) for kind in kinds}
        first, last = self.begin // MINUTE, self.until // MINUTE
        ladders = [self.reader.ladder_bytes(tape.id, first, last) for tape in self.tapes]
        rows: dict[RowKind, float] = {
            "trades": sum(self._trades(tape) for tape in self.tapes) / self.days,
            # A fold takes what a candle takes.
            "candles": (self.minutes + sum(count for count, _ in ladders)) / self.days,
            "events": self.reader.hourly("events") * (DAY // HOUR),
            "log": self.reader.hourly("log") * (DAY // HOUR),
        }
        found: dict[str, float | None] = {
            kind: None if (size := each[kind]) is None else count * size for kind, count in rows.items()
        }
        return {**found, "ladders": sum(size for _, size in ladders) / self.days}

    def _trades(self, tape: Tape) -> int:
        """Count the ids held of the day; the index from time to id spares us the rows."""
        row = self.reader.minute_from(tape.id, self.begin)
        if row is None:
            return 0
        spans = self.reader.spans(tape.id, row.first_seq, _END)
        return sum(span.last - max(span.first, row.first_seq) + 1 for span in spans if span.last >= row.first_seq)

    def grows(self) -> dict[str, float | None]:
        """Give for how many days each kind still grows before as much goes as comes; None: for ever."""
        log = self.reader.log_after(0, -1, 1)
        held = {
            "trades": max((self._held(tape) for tape in self.tapes), default=0),
            "ladders": max((self._since_begin(tape) for tape in self.tapes), default=0),
            "log": self.wall - log[0].known_at if log else 0,
        }
        ages = {"trades": self.ages.trades, "ladders": self.ages.ladders_at_least, "log": self.ages.log_at_most}
        limited = {kind: None if (age := ages[kind]) is None else max(age - held[kind], 0) / DAY for kind in ages}
        return {**limited, "candles": None, "events": None}

    def _held(self, tape: Tape) -> int:
        """Give how old the oldest trade is that ages, ns."""
        for first, last in cut([(0, _END)], self.reader.kept(tape.id)):
            row = self.reader.trade_after(tape.id, first - 1)
            if row and row.seq <= last:
                return max(self.until - row.time, 0)
        return 0

    def _since_begin(self, tape: Tape) -> int:
        """Give how long ago the oldest minute was whose ladder may age, ns."""
        if not self.reader.expired(tape.id, "trades"):
            return self._held(tape)
        row = self.reader.minute_from(tape.id, 0)
        return max(self.until - row.start, 0) if row else 0
