"""Fills holes: finds what is wanted and not held, names it, and asks the cheapest source that can answer."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgspec
from msgspec import Struct, field

from gapless.collect.archives import PUBLISHED_AFTER, fetch_day
from gapless.collect.line import Line, Track
from gapless.collect.pipeline import Pipeline
from gapless.collect.rest import RestClient
from gapless.errors import BadFile, BadNumber, Refused, Unavailable
from gapless.model import DAY, MINUTE, SECOND, Bar, Evidence, Tape, Trade, iso
from gapless.ports import Clock, Http
from gapless.tape.coverage import Range
from gapless.tape.plan import Patience, Step, pages
from gapless.venues.spec import Hosts, Page, Request

_GRACE = SECOND  # a reordered frame may still come by itself
_GRACE_MOST = 4 * SECOND  # where REST lags, sooner is in vain
_COMPANY = 8 * SECOND  # with the budget spent, a hole waits this long for others that fit on its page
_AGAIN = SECOND  # REST may lag the stream: the same page is not asked for sooner than this
_AGAIN_MOST = 60 * SECOND
_IN_VAIN = 3  # ids may be spent without a trade at the very end: then nothing comes, however often we ask
_REFUSED_AGAIN = 30 * SECOND
_SETTLED_AFTER = 90 * SECOND  # venue time after which a bar is final whatever else the reply holds
_SAME_AFTER = 2 * SECOND


class Repaired(Struct):
    """What repair has done: requests, ids lost and regained, ids of the time before, replies that cannot be right."""

    requests: int = 0
    ids: int = 0
    history: int = 0
    rejected: int = 0
    refusals: dict[str, str] = field(default_factory=dict)


class _Work(Struct):
    """The repair state of one track; `parked` says until when a hole, by its last id, is left alone."""

    patience: Patience
    named: set[Range] = field(default_factory=set)
    parked: dict[int, int] = field(default_factory=dict)
    not_before: int = 0
    busy: bool = False
    fruitless: int = 0
    seen_bar: tuple[Bar, int] | None = None


def first_step(holes: list[Range], size: int) -> Step | None:
    """Give the first page over holes, however many and however long they are."""
    if not holes:
        return None
    end = holes[0][0] + size - 1
    steps = pages([(first, min(last, end)) for first, last in holes if first <= end], size)
    return steps[0]


class Repair:
    """Watches the tracks of one venue and fills their holes, one request a track at a time."""

    def __init__(
        self, pipeline: Pipeline, rest: RestClient, hosts: Hosts, clock: Clock, *,
        http: Http, trade_before: Callable[[Tape, int], tuple[int, int] | None],
    ) -> None:  # fmt: skip
        self.done = Repaired()
        self._http = http
        self._trade_before = trade_before
        self._pipeline = pipeline
        self._venue = pipeline.venue
        self._rest = rest
        self._hosts = hosts
        self._clock = clock
        self._work: dict[int, _Work] = {}
        self._grace = _GRACE

    async def run(self) -> None:
        """Go on for ever."""
        async with asyncio.TaskGroup() as group:
            while True:
                self.scan(group)
                await self._clock.sleep(SECOND // 5)

    def scan(self, group: asyncio.TaskGroup) -> None:
        """Start a step for every track that has ripe holes: trades before bars."""
        now = self._clock.monotonic()
        kinds = (True,) if self._pipeline.shedding else (False, True)
        grace = self._grace + int(_COMPANY * self._rest.pressure())
        for bars in kinds:
            for line in self._pipeline.lines.values():
                track = line.bars if bars else line.trades
                if track is None:
                    continue
                work = self._work.setdefault(track.tape.id, _Work(Patience()))
                if work.busy or now < work.not_before:
                    continue
                ripe = work.patience.ripe(track.holes(), now, grace=grace)
                self._name(track, work, ripe)
                work.parked = {last: until for last, until in work.parked.items() if until > now}
                ripe = [hole for hole in ripe if hole[1] not in work.parked]
                limits = self._venue.limits
                if step := first_step(ripe, limits.page_bars if bars else limits.page_trades):
                    work.busy = True
                    group.create_task(self._step(line, track, work, step))

    def _name(self, track: Track, work: _Work, holes: list[Range]) -> None:
        at = self._clock.wall()
        for hole in holes:
            if not any(first <= hole[0] and hole[1] <= last for first, last in work.named):
                work.named.add(hole)
                self._pipeline.name(track, hole, at=at, mono=self._clock.monotonic())
        work.named = {name for name in work.named if any(h[0] <= name[1] and h[1] >= name[0] for h in holes)}

    async def _step(self, line: Line, track: Track, work: _Work, step: Step) -> None:
        try:
            filled = await (
                self._bars(line, track, work, step) if track is line.bars else self._trades(line, track, step)
            )
            work.fruitless = 0 if filled else work.fruitless + 1
            self._grace = max(_GRACE, self._grace * 7 // 8) if filled else min(_GRACE_MOST, self._grace * 2)
            if not filled:
                self._park(track, work, step, min(_AGAIN * 2 ** min(work.fruitless - 1, 8), _AGAIN_MOST))
        except (Refused, Unavailable, BadFile) as refusal:
            self.done.refusals[track.tape.name] = str(refusal)
            self._park(track, work, step, _REFUSED_AGAIN)
        finally:
            work.busy = False

    def _park(self, track: Track, work: _Work, step: Step, pause: int) -> None:
        """Leave the holes of a step alone for a while, so that those behind them have their turn."""
        now = self._clock.monotonic()
        work.not_before = now + min(pause, _AGAIN)
        work.parked |= {last: now + pause for first, last in track.holes() if first <= step.last and last >= step.first}

    def at_once(self) -> None:
        """Forget every pause: what was in vain before may be there now."""
        for work in self._work.values():
            work.not_before = work.fruitless = 0
            work.parked.clear()

    async def _get(self, request: Request) -> bytes:
        self.done.requests += 1
        return await self._rest.get(request)

    async def _trades(self, line: Line, track: Track, step: Step) -> bool:
        """Ask for one page of trades; give whether it filled anything."""
        history, held = self._venue.history, track.sequence.coverage
        if self._too_old(track, step):
            return await self._archived(line, track, step)
        strict = track.tape.kind in self._venue.limits.consecutive
        # Where ids may be spent without a trade, a page must begin at a row that is held to vouch for those after it.
        joint = step.first if strict else self._joint(track, step)
        request = history.trades_request(self._hosts, track.tape, joint, step.last, keyed=self._rest.keyed)
        body = await self._get(request)
        page = self._checked(track, lambda: history.trades_page(body, track.tape, None, self._clock.wall()))
        if page is None or page.first is None or page.last is None:
            return False
        if request.by_id and page.first != joint and (strict or page.last < step.first):
            self.done.rejected += 1
            return False
        first = page.first if page.first > joint else max(page.first, step.first)
        missing = held.missing(first, page.last)
        if missing:
            self._pipeline.fill(line, page.rows, (first, page.last), Evidence.REST)
            self.done.ids += sum(b - a + 1 for a, b in missing)
        if first > step.last or (not missing and page.first > joint):
            # What the venue still serves does not reach back to the hole: what is left is in the file of its day.
            return await self._archived(line, track, step) or bool(missing)
        return bool(missing)

    def _told(self, track: Track, filled: list[Range], *, source: str, weight: int) -> None:
        """Count what a reply filled, and keep what it cost."""
        ids = sum(last - first + 1 for first, last in filled)
        if filled and track.is_history(filled[-1]):
            self.done.history += ids
        else:
            self.done.ids += ids
        self._pipeline.pending.event(
            "repaired", track.tape.name, self._clock.wall(), ids=ids, source=source, weight=weight
        )

    def _before(self, track: Track, step: Step) -> tuple[int, int]:
        """Give id and time of the trade before a hole; the hole's own first id and 0 where there is none."""
        return self._trade_before(track.tape, step.first) or (step.first, 0)

    def _joint(self, track: Track, step: Step) -> int:
        """Give the id of the row before a hole; behind the newest row nothing is stored that could tell better."""
        if track.newest_row is not None and track.newest_row < step.first:
            return track.newest_row
        return min(self._before(track, step)[0], step.first)

    def _too_old(self, track: Track, step: Step) -> bool:
        """Say whether a hole lies before what the venue still serves by REST."""
        window = self._venue.limits.recent_trades_window
        now = self._pipeline.clock.now(self._clock.monotonic())
        return window is not None and 0 < self._before(track, step)[1] < now - window

    async def _archived(self, line: Line, track: Track, step: Step) -> bool:
        """Fill a hole from the public file of the day it begins in; give whether that filled anything."""
        name = track.tape.name
        rows = await self._day_with(track, step)
        strict = track.tape.kind in self._venue.limits.consecutive
        first = rows[0].seq if strict else step.first
        last = next((a.seq for a, b in pairwise(rows) if strict and b.seq != a.seq + 1), rows[-1].seq)
        if first > step.first:
            raise Unavailable(f"no source has {name} from id {step.first} to {first - 1}")
        kept = [row for row in rows if row.seq <= last]
        missing = track.sequence.coverage.missing(first, last)
        self._pipeline.fill(line, kept, (first, last), Evidence.ARCHIVE)
        self._told(track, missing, source="archive", weight=0)
        return True

    async def _day_with(self, track: Track, step: Step) -> list[Trade]:
        """Read the first file that reaches the hole: of the day of the trade before it, or of a later one."""
        time = self._before(track, step)[1]
        day = time - time % DAY
        now = self._pipeline.clock.now(self._clock.monotonic())
        while time:
            if day + DAY + PUBLISHED_AFTER > now:
                raise Unavailable(f"the file of {iso(day)[:10]} is not published yet; the hole waits for it")
            received = self._clock.wall()
            found = await fetch_day(self._http, self._venue, self._hosts, track.tape, day, received=received)
            if found is None:
                break
            if rows := [row for row in found.trades if row.seq >= step.first]:
                return rows
            day += DAY
        raise Unavailable(f"no source has {track.tape.name} from id {step.first}: no file of its day has it")

    def _checked(self, track: Track, read: Any) -> Page | None:
        """Read a page; one that cannot be right is rejected, not stored."""
        try:
            page: Page = read()
        except (msgspec.DecodeError, BadNumber):
            self.done.rejected += 1
            return None
        strict = track.tape.kind in self._venue.limits.consecutive
        if any(b.seq - a.seq != 1 if strict else b.seq <= a.seq for a, b in pairwise(page.rows)):
            self.done.rejected += 1
            return None
        return page

    async def _bars(self, line: Line, track: Track, work: _Work, step: Step) -> bool:
        """Ask for bars and one more: a bar that another follows in the same reply is final."""
        start = step.first * MINUTE
        bars, weight = await self._bars_page(line, track, start, (step.last + 2) * MINUTE)
        oldest_known = not track.sequence.coverage.within(0, step.first)
        if bars == [] and oldest_known:
            # Perhaps nothing was there yet: what is the oldest bar that the venue has from here on?
            bars, weight = await self._bars_page(line, track, start, start + self._venue.limits.page_bars * MINUTE)
        if not bars:
            return False
        oldest = bars[0].start // MINUTE
        if oldest > step.last and oldest_known:
            # Nothing in the whole step and nothing held before it: the venue begins here.
            self._pipeline.trim(line, min(oldest, step.last + 1))
            return True
        if not self._final(bars[-1], work):
            bars.pop()
        filled = False
        for run in _runs([bar for bar in bars if step.first <= bar.start // MINUTE <= step.last]):
            first, last = run[0].start // MINUTE, run[-1].start // MINUTE
            missing = track.sequence.coverage.missing(first, last)
            self._pipeline.fill_bars(line, run, (first, last), Evidence.REST)
            self._told(track, missing, source="rest", weight=0 if filled else weight)
            filled = True
        return filled

    async def _bars_page(self, line: Line, track: Track, start: int, end: int) -> tuple[list[Bar] | None, int]:
        """Ask for the bars of [start, end), ns UTC; give them, None where they cannot be read, and what it cost."""
        history = self._venue.history
        request = history.bars_request(self._hosts, line.instrument.symbol, start, end)
        body = await self._get(request)
        try:
            return history.bars(body, track.tape), request.weight
        except (msgspec.DecodeError, BadNumber):
            self.done.rejected += 1
            return None, request.weight

    def _final(self, bar: Bar, work: _Work) -> bool:
        """Say whether the last bar of a reply is closed: REST does not tell, and may lag the stream."""
        mono = self._clock.monotonic()
        now = self._pipeline.clock.now(mono)
        if now < bar.start + MINUTE:
            return False
        if now >= bar.start + MINUTE + _SETTLED_AFTER:
            return True
        seen = work.seen_bar
        if seen and seen[0] == bar:
            return mono - seen[1] >= _SAME_AFTER
        work.seen_bar = (bar, mono)
        return False

    async def probe(self, line: Line) -> bool:
        """Ask for the newest execution id; give whether the venue is ahead of what is held, and want what it has.

        Of a tape of which nothing came yet, the venue is ahead when it has moved since the last time it was asked.
        """
        track = line.trades
        if track is None:
            return False
        history = self._venue.history
        try:
            body = await self._get(history.newest_request(self._hosts, line.instrument.symbol))
            fill, time = history.newest(body)
        except (Refused, Unavailable) as refusal:
            self.done.refusals[track.tape.name] = str(refusal)
            return False
        except msgspec.DecodeError:
            self.done.rejected += 1
            return False
        self._pipeline.clock.saw(time, self._clock.monotonic())
        known, track.shown_fill = track.shown_fill, fill
        if track.newest_fill >= fill:
            return False
        if track.newest is None and not track.joins(time, within=self._pipeline.resume_within):
            return 0 <= known < fill
        try:
            return await self.tail(line, fill)
        except (Refused, Unavailable, BadFile) as refusal:
            self.done.refusals[track.tape.name] = str(refusal)
            return True

    async def tail(self, line: Line, fill: int) -> bool:
        """Fetch what lies after the newest id held, page by page; give whether there was anything."""
        track = line.trades
        if track is None:
            return False
        ahead = False
        while True:
            held = track.sequence.next
            if held is None:
                return ahead
            size = self._venue.limits.page_trades
            if not await self._trades(line, track, Step(held, held + size - 1, size)):
                return ahead
            ahead = True
            if track.sequence.next == held or track.newest_fill >= fill:
                return ahead

    async def catch_up(self, line: Line) -> None:
        """Fetch what lies after the newest id held until the venue shows nothing newer, or nothing comes any more."""
        track = line.trades
        vain = 0
        while track is not None and vain < _IN_VAIN:
            held = track.sequence.next
            await self.probe(line)
            if track.newest_fill >= track.shown_fill:
                return
            vain = vain + 1 if track.sequence.next == held else 0
            await self._clock.sleep(SECOND // 10)


def _runs(bars: list[Bar]) -> list[list[Bar]]:
    """Split bars where a minute is missing: a reply vouches for the minutes that it shows, and for no other."""
    runs: list[list[Bar]] = []
    for bar in bars:
        if runs and bar.start == runs[-1][-1].start + MINUTE:
            runs[-1].append(bar)
        else:
            runs.append([bar])
    return runs
