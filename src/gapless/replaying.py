"""Replays: stored tapes run through the engine again, as events at any speed, with what they prove.

replay = gapless.replay("gapless.db", ["binance:BTCUSDT"], start="-1d", timeframes=["5m"])
for event in replay:  # or `async for`, which keeps to `speed`
    print(event.stream, event.data)
print(replay.reports["binance:BTCUSDT"].digest)
"""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from heapq import merge
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import Struct

from gapless.adapters import open_store
from gapless.asking import Moment, ns_of
from gapless.client import CandleEvent, SignalEvent
from gapless.collect.replay import Difference, Replay, Told, digest, standing
from gapless.derive.bars import ClosedBar
from gapless.derive.signals.settings import SignalSettings
from gapless.errors import BadInput
from gapless.model import MINUTE, Environment, Instrument, Timeframe, iso, parse_timeframe
from gapless.model.signal import Judged
from gapless.net.clock import SystemClock
from gapless.ports import Clock
from gapless.query.market import Market
from gapless.query.present import candle_row, signal_row
from gapless.store.sqlite import SqliteStore

ReplayEvent = CandleEvent | SignalEvent


class Report(Struct, kw_only=True):
    """What the replay of one instrument came to; times are ns UTC.

    `minutes` were compared with those stored, `as_stored` of them could not be derived again, because some of their
    trades have expired. `digest` is the sha256 of what the signals on bars that ended after `since` say, `live` that of
    those that stand in the store, None where nothing was judged or some of it waits to be; `found` and `lost` are those
    that differ.
    """

    start: int
    end: int
    since: int
    minutes: int = 0
    as_stored: int = 0
    signals: int = 0
    digest: str = ""
    live: str | None = None
    differences: list[Difference] = []
    found: list[Judged] = []
    lost: list[Judged] = []

    @property
    def same(self) -> bool:
        """Whether every candle, and every signal that was judged live, is the same."""
        return not self.differences and self.live in (None, self.digest)


class Replaying:
    """One replay of some instruments: go through its events once, in the order of market time, then see `reports`.

    `signals` judge otherwise than the live engine did, for a backtest. `async for` keeps to `speed` times the market's
    pace; without it, and with a plain `for`, events come as fast as they are made. Events are those of the stream,
    without cursors: bars of `timeframes` as they stand finally, and signals.
    """

    def __init__(
        self, url: str | None, ids: Sequence[str], *, start: Moment | None = None, end: Moment | None = None,
        speed: float | None = None, timeframes: Sequence[str] = ("1m",), signals: SignalSettings | None = None,
        environment: Environment | None = None, clock: Clock | None = None,
    ) -> None:  # fmt: skip
        if speed is not None and not speed > 0:
            raise BadInput(f"speed: {speed:g} is not allowed; allowed is a number above 0, or max")
        self._frames = {parse_timeframe(text) for text in timeframes}
        self._speed, self._clock = speed, clock or SystemClock()
        self._settings = signals
        self._source = open_store(url, environment=environment, readonly=True)
        self._judging = self._source.judging()
        market = Market(self._source)
        self._instruments = list({one.id: one for one in map(market.instrument, ids)}.values())
        begin, until = (None if moment is None else ns_of(moment) for moment in (start, end))
        if begin is not None and until is not None and until <= begin:
            raise BadInput("end must be later than start")
        self.reports = {one.id: self._report(one, begin, until) for one in self._instruments}

    def __iter__(self) -> Iterator[ReplayEvent]:
        return map(typed, self.rows())

    async def __aiter__(self) -> AsyncIterator[ReplayEvent]:
        async for row in self.paced():
            yield typed(row)

    def rows(self, passed: Callable[[int], None] = lambda at: None) -> Iterator[dict[str, Any]]:
        """Go through the events as plain rows, as fast as they are made; `passed` hears the time of each, ns UTC."""
        with self._snapshot() if self._speed is None else nullcontext():
            for told in self._told():
                passed(told.end)
                if isinstance(told.what, Judged) or told.what.timeframe in self._frames:
                    yield self._row(told)

    async def paced(self, passed: Callable[[int], None] = lambda at: None) -> AsyncIterator[dict[str, Any]]:
        """Go through the events as plain rows, at the speed that was asked for."""
        first, began = min(report.start for report in self.reports.values()), self._clock.monotonic()
        at = first

        def passing(end: int) -> None:
            nonlocal at
            at = end
            passed(end)

        for row in self.rows(passing):
            if self._speed is not None:
                due = began + round((at - first) / self._speed)
                if (ahead := due - self._clock.monotonic()) > 0:
                    await self._clock.sleep(ahead)
            yield row

    def live(self) -> dict[str, Report]:
        """Give the digests of what stands in the store alone; nothing is replayed."""
        for instrument in self._instruments:
            report = self.reports[instrument.id]
            there = standing(self._source, instrument.id, report.since, report.end)
            report.signals, report.digest, report.live = len(there), digest(there), digest(there)
        return self.reports

    def _report(self, instrument: Instrument, start: int | None, end: int | None) -> Report:
        """Give the minutes that are replayed: by default all since the live engine judges, or all that are stored."""
        oldest, newest = self._source.oldest_candle(instrument.id), self._source.newest_candle(instrument.id)
        if oldest is None or newest is None:
            raise BadInput(f"nothing of {instrument.id} is stored: there is no closed candle to replay")
        since = self._judging[instrument.id][0] if instrument.id in self._judging else 0
        closed = newest.start + MINUTE
        begin = max(since if start is None else start, oldest.start)
        until = closed if end is None else min(end, closed)
        begin, until = begin + -begin % MINUTE, until - until % MINUTE
        if until <= begin:
            raise BadInput(
                f"nothing of {instrument.id} is stored in that time; stored are {iso(oldest.start)} to {iso(closed)}"
            )
        return Report(start=begin, end=until, since=max(since, begin))

    def _told(self) -> Iterator[Told]:
        return merge(*map(self._replayed, self._instruments), key=attrgetter("end"))

    def _replayed(self, instrument: Instrument) -> Iterator[Told]:
        report, known = self.reports[instrument.id], self._judging.get(instrument.id)
        settings = self._settings or (msgspec.msgpack.decode(known[1], type=SignalSettings) if known else None)
        target = SqliteStore(":memory:", environment=self._source.environment())
        try:
            replay = Replay(
                self._source, target, instrument, report.start, report.end, settings or SignalSettings(),
                tuple(frame for frame in self._frames if frame.minutes > 60),
            )  # fmt: skip
            yield from replay.run()
            here = standing(target, instrument.id, report.since, report.end)
        finally:
            target.close()
        there = standing(self._source, instrument.id, report.since, report.end)
        report.minutes, report.as_stored, report.differences = replay.minutes, replay.as_stored, replay.differences
        report.signals, report.digest = len(here), digest(here)
        judged = known and instrument.id not in self._source.unjudged()
        report.live = digest(there) if judged else None
        ours, theirs = ({one.content for one in some} for some in (here, there))
        report.found = [one for one in here if judged and one.content not in theirs]
        report.lost = [one for one in there if judged and one.content not in ours]

    def _row(self, told: Told) -> dict[str, Any]:
        what = told.what
        instrument = next(one for one in self._instruments if one.id == what.instrument)
        frame = what.timeframe if isinstance(what, ClosedBar) else Timeframe(what.minutes)
        if isinstance(what, ClosedBar):
            data = candle_row(what.candle, instrument.price_digits, instrument.size_digits)
        else:
            data = signal_row(what)
        kind = "candle" if isinstance(what, ClosedBar) else "signal"
        return {"stream": f"{kind}s:{instrument.id}:{frame}", "cursor": None, "type": kind, "late": False, "data": data}

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        """Read all of it as it stands now, whatever a collector commits meanwhile."""
        self._source.connection.execute("BEGIN")
        try:
            yield
        finally:
            self._source.connection.execute("COMMIT")


def typed(row: dict[str, Any]) -> ReplayEvent:
    """Give an event as the client of a running gapless gives it."""
    return msgspec.convert(row, CandleEvent) if row["type"] == "candle" else msgspec.convert(row, SignalEvent)
