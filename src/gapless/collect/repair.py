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
from gapless.model import DAY, MINUTE, SECOND, Bar, Evidence, Tape, iso
from gapless.ports import Clock, Http
from gapless.tape.coverage import Range
from gapless.tape.plan import Patience, Step, pages
from gapless.venues.spec import Hosts, Page, Request

_GRACE = SECOND  # a reordered frame may still come by itself
_GRACE_MOST = 4 * SECOND  # where REST lags, sooner is in vain
_COMPANY = 8 * SECOND  # with the budget spent, a hole waits this long for others that fit on its page
_AGAIN = SECOND  # REST may lag the stream: the same page is not asked for sooner than this
_AGAIN_MOST = 8 * SECOND
_REFUSED_AGAIN = 30 * SECOND
_SETTLED_AFTER = 90 * SECOND  # venue time after which a bar is final whatever else the reply holds
_SAME_AFTER = 2 * SECOND


class Repaired(Struct):
    """What repair has done: requests, ids filled, replies rejected because they cannot be right."""

    requests: int = 0
    ids: int = 0
    rejected: int = 0
    refusals: dict[str, str] = field(default_factory=dict)


class _Work(Struct):
    """The repair state of one track."""

    patience: Patience
    named: set[Range] = field(default_factory=set)
    not_before: int = 0
    busy: bool = False
    fruitless: int = 0
    seen_bar: tuple[Bar, int] | None = None


class Repair:
    """Watches the tracks of one venue and fills their holes, one request a track at a time."""

    def __init__(
        self, pipeline: Pipeline, rest: RestClient, hosts: Hosts, clock: Clock, *,
        http: Http, time_before: Callable[[Tape, int], int],
    ) -> None:  # fmt: skip
        self.done = Repaired()
        self._http = http
        self._time_before = time_before
        self._pipeline = pipeline
        self._venue = pipeline.venue
        self._rest = rest
        self._hosts = hosts
        self._clock = clock
        self._work: dict[int, _Work] = {}
        self.cause = "jump"
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
        grace = self._grace + int(_COMPANY * self._rest.pressure())
        for bars in (False, True):
            for line in self._pipeline.lines.values():
                track = line.bars if bars else line.trades
                if track is None:
                    continue
                work = self._work.setdefault(track.tape.id, _Work(Patience()))
                if work.busy or now < work.not_before:
                    continue
                ripe = work.patience.ripe(track.holes(), now, grace=grace)
                self._name(track, work, ripe)
                limits = self._venue.limits
                steps = pages(ripe, limits.page_bars if bars else limits.page_trades)
                if steps:
                    work.busy = True
                    group.create_task(self._step(line, track, work, steps[0]))

    def _name(self, track: Track, work: _Work, holes: list[Range]) -> None:
        at = self._clock.wall()
        for hole in holes:
            if not any(first <= hole[0] and hole[1] <= last for first, last in work.named):
                work.named.add(hole)
                self._pipeline.name(track, hole, self.cause, at)
        work.named = {name for name in work.named if any(h[0] <= name[1] and h[1] >= name[0] for h in holes)}

    async def _step(self, line: Line, track: Track, work: _Work, step: Step) -> None:
        try:
            filled = await (
                self._bars(line, track, work, step) if track is line.bars else self._trades(line, track, step)
            )
            work.fruitless = 0 if filled else work.fruitless + 1
            self._grace = max(_GRACE, self._grace * 7 // 8) if filled else min(_GRACE_MOST, self._grace * 2)
            if not filled:
                pause = min(_AGAIN * 2 ** (work.fruitless - 1), _AGAIN_MOST)
                work.not_before = self._clock.monotonic() + pause
        except (Refused, Unavailable, BadFile) as refusal:
            self.done.refusals[track.tape.name] = str(refusal)
            work.not_before = self._clock.monotonic() + _REFUSED_AGAIN
        finally:
            work.busy = False

    async def _get(self, request: Request) -> bytes:
        self.done.requests += 1
        return await self._rest.get(request)

    async def _trades(self, line: Line, track: Track, step: Step) -> bool:
        """Ask for one page of trades; give whether it filled anything."""
        history = self._venue.history
        if self._too_old(track, step):
            return await self._archived(line, track, step)
        request = history.trades_request(self._hosts, track.tape, step.first, step.last, keyed=self._rest.keyed)
        body = await self._get(request)
        asked = step.first if request.by_id else None
        page = self._checked(track, lambda: history.trades_page(body, track.tape, asked, self._clock.wall()))
        if page is None or page.first is None or page.last is None:
            return False
        if page.first > step.last:
            # The newest trades do not reach back to the hole: what is left is in the file of its day.
            return await self._archived(line, track, step)
        missing = track.sequence.coverage.missing(max(page.first, step.first), page.last)
        if not missing:
            return False
        self._pipeline.fill(line, page.rows, (page.first, page.last), Evidence.REST)
        self.done.ids += sum(last - first + 1 for first, last in missing)
        return True

    def _too_old(self, track: Track, step: Step) -> bool:
        """Say whether a hole lies before what the venue still serves by REST."""
        window = self._venue.limits.recent_trades_window
        now = self._pipeline.clock.now(self._clock.monotonic())
        return window is not None and 0 < self._time_before(track.tape, step.first) < now - window

    async def _archived(self, line: Line, track: Track, step: Step) -> bool:
        """Fill a hole from the public file of the day it begins in; give whether that filled anything."""
        day = self._time_before(track.tape, step.first)
        day -= day % DAY
        now = self._pipeline.clock.now(self._clock.monotonic())
        if day + DAY + PUBLISHED_AFTER > now:
            raise Unavailable(f"the file of {iso(day)[:10]} is not published yet; the hole waits for it")
        received = self._clock.wall()
        found = await fetch_day(self._http, self._venue, self._hosts, track.tape, day, received=received)
        rows = found.trades if found else []
        if not rows or rows[-1].seq < step.first:
            raise Unavailable(f"no source has {track.tape.name} from id {step.first}: the file of its day lacks it")
        rows = [row for row in rows if step.first <= row.seq]
        strict = track.tape.kind in self._venue.limits.consecutive
        first = rows[0].seq if strict else step.first
        last = next((a.seq for a, b in pairwise(rows) if strict and b.seq != a.seq + 1), rows[-1].seq)
        if first > step.first:
            raise Unavailable(f"no source has {track.tape.name} from id {step.first} to {first - 1}")
        kept = [row for row in rows if row.seq <= last]
        self.done.ids += sum(b - a + 1 for a, b in track.sequence.coverage.missing(first, last))
        self._pipeline.fill(line, kept, (first, last), Evidence.ARCHIVE)
        return True

    def _checked(self, track: Track, read: Any) -> Page | None:
        """Read a page; one that cannot be right is rejected, not stored."""
        try:
            page: Page = read()
        except (msgspec.DecodeError, BadNumber):
            self.done.rejected += 1
            return None
        strict = track.tape.kind in self._venue.limits.consecutive
        jumps = any(b.seq - a.seq != 1 if strict else b.seq <= a.seq for a, b in pairwise(page.rows))
        late = strict and page.rows and page.first is not None and page.rows[0].seq != page.first
        if jumps or late:
            self.done.rejected += 1
            return None
        return page

    async def _bars(self, line: Line, track: Track, work: _Work, step: Step) -> bool:
        """Ask for bars and one more: a bar that another follows in the same reply is final."""
        start, end = step.first * MINUTE, (step.last + 2) * MINUTE
        history = self._venue.history
        body = await self._get(history.bars_request(self._hosts, line.instrument.symbol, start, end))
        try:
            bars = history.bars(body, track.tape)
        except (msgspec.DecodeError, BadNumber):
            self.done.rejected += 1
            return False
        if not bars:
            return False
        oldest = bars[0].start // MINUTE
        first = step.first
        if oldest > first and not track.sequence.coverage.within(0, first):
            # Nothing before the first row of the reply and nothing held before it: the venue has no more.
            first = min(oldest, step.last + 1)
            self._pipeline.trim(line, first)
        last = bars[-1].start // MINUTE
        if not self._final(bars[-1], work):
            bars.pop()
            last -= 1
        last = min(last, step.last)
        if last < first:
            return first > step.first
        kept = [bar for bar in bars if first <= bar.start // MINUTE <= last]
        self._pipeline.fill_bars(line, kept, (first, last), Evidence.REST)
        self.done.ids += last - first + 1
        return True

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
        """Ask for the newest execution id; give whether the venue is ahead of what is held, and want what it has."""
        track = line.trades
        if track is None:
            return False
        history = self._venue.history
        body = await self._get(history.newest_request(self._hosts, line.instrument.symbol))
        fill, time = history.newest(body)
        self._pipeline.clock.saw(time, self._clock.monotonic())
        if track.newest_fill >= fill:
            return False
        return await self.tail(line, fill)

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
            before = track.sequence.next
            if not await self._trades(line, track, Step(held, held + size - 1, size)):
                return ahead
            ahead = True
            if track.sequence.next == before or track.newest_fill >= fill:
                return ahead
