"""Fills holes: finds what is wanted and not held, names it, and asks the cheapest source that can answer."""

import asyncio
from collections.abc import Callable, Iterator

from gapless.budget.priority import Priority
from gapless.collect.bar_pages import BarPages
from gapless.collect.filling import Filling, Repaired
from gapless.collect.job import Job, Work
from gapless.collect.line import Line, Track
from gapless.collect.pipeline import Pipeline
from gapless.collect.pricing import Pricing
from gapless.collect.rest import RestClient
from gapless.collect.sources import Ask, Found, Later, Sources, Wrong
from gapless.errors import UNREADABLE, BadFile, Refused, Unavailable
from gapless.model import HOUR, MS, SECOND, Evidence, Tape
from gapless.ports import Clock, Http
from gapless.tape.coverage import Range, cut, split
from gapless.tape.page import Mark
from gapless.tape.plan import Step, first_page
from gapless.tape.route import Choice, Offer, Routes
from gapless.venues.spec import Hosts

_GRACE = SECOND  # a reordered frame, or the other line of a rotation, may still bring it
_GRACE_MOST = 4 * SECOND  # where REST lags, sooner is in vain
_COMPANY = 8 * SECOND  # with the budget spent, a hole waits this long for others that fit on its page
_AGAIN = SECOND  # REST may lag the stream: the same page is not asked for sooner than this
_AGAIN_MOST = 60 * SECOND
_IN_VAIN = 3  # ids may be spent without a trade at the very end: then nothing comes, however often we ask
_FAILED_AGAIN = 30 * SECOND
_REFUSED_AGAIN = 5 * SECOND
_OVERDUE_AGAIN = HOUR // 2  # a file that should be there and is not
_LOOKED_AT = 20  # holes of a tape for which a source is sought at one look
_NO = frozenset({400, 404, 410})  # what a venue answers when it does not have it; others say no to us
_EXPECTED = {"rest": 200 * MS, "archive": 2 * SECOND}


class Repair:
    """Watches the tracks of one venue and fills their holes, one request a track at a time, the most valuable first."""

    def __init__(
        self, pipeline: Pipeline, rest: RestClient, hosts: Hosts, clock: Clock, *,
        http: Http, trade_before: Callable[[Tape, int], Mark | None], expired: Callable[[Tape], list[Range]],
        archive: bool = True,
    ) -> None:  # fmt: skip
        self.done = Repaired()
        self._trade_before = trade_before
        self._expired = expired
        self._pipeline = pipeline
        self._venue = pipeline.venue
        self._rest = rest
        self._hosts = hosts
        self._clock = clock
        self._work: dict[int, Work] = {}
        self._grace = _GRACE
        self._sources = Sources(pipeline.venue, hosts, rest, http, clock, now=self._venue_now, archive=archive)
        self._pricing = Pricing(self._sources, pipeline.venue, self._venue_now, trade_before)
        self._bar_pages = BarPages(self._sources, pipeline, clock)
        self._filling = Filling(pipeline, clock, self.done)
        self.routes = Routes(_EXPECTED, weight_per_minute=pipeline.venue.limits.weight_per_minute)

    def _venue_now(self) -> int:
        return self._pipeline.clock.now(self._clock.monotonic())

    async def run(self) -> None:
        """Go on for ever."""
        async with asyncio.TaskGroup() as group:
            while True:
                self.scan(group)
                await self._clock.sleep(SECOND // 5)

    def scan(self, group: asyncio.TaskGroup) -> None:
        """Start a step for every track that has ripe holes: live trades first, then bars, then history."""
        if self._pipeline.pressed:
            return  # what is fetched now would only wait in memory
        now = self._clock.monotonic()
        ready: list[Job] = []
        for line, track in self._tracks():
            work = self._work.setdefault(track.tape.id, Work())
            if not work.busy and now >= work.not_before and (holes := self._ripe(track, work, now)):
                ready += self._jobs(line, track, work, holes)
        for job in sorted(ready, key=lambda job: (job.priority, -job.track.newest_time)):
            job.work.busy = True
            group.create_task(self._step(job))

    def _tracks(self) -> Iterator[tuple[Line, Track]]:
        for line in self._pipeline.lines.values():
            if line.trades and not self._pipeline.shedding:
                yield line, line.trades
            if line.bars:
                yield line, line.bars

    def _ripe(self, track: Track, work: Work, now: int) -> list[Range]:
        """List the holes that are old enough, cut where a source denied a part; those of history last."""
        holes = track.holes()
        if not holes and not work.named:
            return []  # as nearly always
        grace = self._grace + int(_COMPANY * self._rest.pressure())
        ripe = work.patience.ripe(holes, now, grace=grace)
        self._name(track, work, ripe)
        work.parked = {key: until for key, until in work.parked.items() if until > now}
        work.denials.keep(holes)
        return sorted(split(ripe, work.denials.borders()), key=track.is_history)

    def _priority(self, line: Line, track: Track, hole: Range) -> Priority:
        if track.is_history(hole):
            return Priority.HISTORY
        if track is line.bars:
            return Priority.LIVE if self._pipeline.degraded else Priority.BARS
        return Priority.TRADES

    def _name(self, track: Track, work: Work, holes: list[Range]) -> None:
        at = self._clock.wall()
        for hole in holes:
            if not any(first <= hole[0] and hole[1] <= last for first, last in work.named):
                work.named.add(hole)
                self._pipeline.name(track, hole, at=at, mono=self._clock.monotonic())
        work.named = {name for name in work.named if any(h[0] <= name[1] and h[1] >= name[0] for h in holes)}

    # Which source

    def _jobs(self, line: Line, track: Track, work: Work, holes: list[Range]) -> list[Job]:
        """Find the first hole that some source may be asked for now, and choose the source."""
        now = self._clock.monotonic()
        sources = self._of(track)
        free = [hole for hole in holes if any(work.free(source, hole, now) for source in sources)]
        for hole in free[:_LOOKED_AT]:
            if self._aged(track, hole):
                return []  # what is left of it is seen at the next look
            offers = self._offers(line, track, work, hole)
            if not offers:
                work.park_free(sources, hole, now + _REFUSED_AGAIN, now)
                continue
            choice, priority = self.routes.choose(offers), self._priority(line, track, hole)
            step = Step(*hole, 0)
            if choice.source == "rest":
                alike = [other for other in holes if self._priority(line, track, other) is priority]
                step = self._page(line, track, work, hole, alike)
            return [Job(line, track, work, priority, choice, hole, step)]
        return []

    def _aged(self, track: Track, hole: Range) -> bool:
        """Say whether retention, in whichever process, has dropped some of a hole; the track learns what it dropped."""
        track.expired = self._expired(track.tape)
        return any(first <= hole[1] and last >= hole[0] for first, last in track.expired)

    def _of(self, track: Track) -> tuple[str, ...]:
        return ("rest", "archive") if self._sources.has_archive(track.tape) else ("rest",)

    def _offers(self, line: Line, track: Track, work: Work, hole: Range) -> list[Offer]:
        """List what the sources that may have a hole, and may be asked now, would need for it."""
        now = self._clock.monotonic()
        free = {source for source in self._of(track) if work.free(source, hole, now)}
        bars = track is line.bars
        offers, why = self._pricing.offers(track, hole, bars=bars)
        if why:
            self._wait(track, work, hole, why)
        if not work.denials.rests("archive", hole[0], now) and self._pricing.too_old(track, hole, bars=bars):
            free.discard("rest")  # its file is the place to look
        return [offer for offer in offers if offer.source in free]

    def _page(self, line: Line, track: Track, work: Work, hole: Range, holes: list[Range]) -> Step:
        """Lay a page of REST over a hole and those behind it; behind what was refused, try the middle first."""
        limits, now = self._venue.limits, self._clock.monotonic()
        size = limits.page_bars if track is line.bars else limits.page_trades
        if work.denials.behind_refused("rest", hole[0]):
            middle = (hole[0] + hole[1] + 1) // 2
            return Step(middle, min(middle + size - 1, hole[1]), 0)
        later = (other for other in holes if hole[0] <= other[0] < hole[0] + size)
        step = first_page([other for other in later if other == hole or work.free("rest", other, now)], size)
        return step or Step(*hole, 0)

    # One question

    async def _step(self, job: Job) -> None:
        began, source = self._clock.monotonic(), job.choice.source
        try:
            filled = await (self._bars(job) if job.bars else self._trades(job.line, job.track, job))
            self.routes.answered(source, self._clock.monotonic() - began)
            self._fruit(job, filled=filled)
        except Wrong as wrong:
            self.routes.failed(source)
            self._filling.rejected(job.track, source, str(wrong))
            self._in_vain(job)
        except Refused as refusal:
            self.done.refusals[job.track.tape.name] = str(refusal)
            self._refused(job, refusal)
        except Later as later:
            self._wait(job.track, job.work, job.hole, str(later), pause=_OVERDUE_AGAIN)
        except (Unavailable, BadFile) as trouble:
            self.routes.failed(source)
            self.done.refusals[job.track.tape.name] = str(trouble)
            if isinstance(trouble, BadFile):
                self._filling.rejected(job.track, source, str(trouble))
            self._park(job, _FAILED_AGAIN)
        finally:
            self.done.requests = self._sources.requests
            job.work.busy = False
            if job.bars and self._pipeline.degraded:
                # A round of all instruments may take longer than a minute: one request brings several bars then.
                every = len(self._pipeline.lines) * self._rest.spacing() * 5 // 4
                job.work.not_before = max(job.work.not_before, self._clock.monotonic() + every)
        self._give_up(job)

    def _fruit(self, job: Job, *, filled: bool) -> None:
        """Learn from whether an answer filled anything: where REST lags the stream, holes wait longer."""
        if job.choice.source == "rest":
            self._grace = max(_GRACE, self._grace * 7 // 8) if filled else min(_GRACE_MOST, self._grace * 2)
        if filled:
            job.work.fruitless = 0
        else:
            self._in_vain(job)

    def _in_vain(self, job: Job) -> None:
        """Ask ever more seldom for what does not come."""
        job.work.fruitless += 1
        self._park(job, min(_AGAIN * 2 ** min(job.work.fruitless - 1, 8), _AGAIN_MOST))

    def _park(self, job: Job, pause: int) -> None:
        now = self._clock.monotonic()
        job.work.park(job.choice.source, job.step, [job.hole, *job.track.holes()], now + pause, now)

    def _refused(self, job: Job, refusal: Refused) -> None:
        """Learn from a refusal; one that is about us, and not about what was asked for, is only waited out."""
        if refusal.status not in _NO:
            self._park(job, _FAILED_AGAIN)
            return
        ids, why, now = (min(job.hole[0], job.step.first), job.step.first), f"REST: {refusal}", self._clock.monotonic()
        heard = job.work.denials.refused("rest", ids, why, now=now, pause=_REFUSED_AGAIN)
        self._park(job, _REFUSED_AGAIN if heard == 1 else _AGAIN)

    def _lacks(self, track: Track, source: str, ids: list[Range], why: str) -> None:
        file, now = source == "archive", self._clock.monotonic()
        for part in ids:
            denials = self._work[track.tape.id].denials
            denials.lacks(source, part, why, now=now, pause=HOUR if file else _AGAIN, sure=file)

    def _wait(self, track: Track, work: Work, hole: Range, why: str, *, pause: int = _FAILED_AGAIN) -> None:
        """Wait for a file that may come."""
        self.done.refusals.setdefault(track.tape.name, why)
        work.parked["archive", hole[1]] = self._clock.monotonic() + pause

    def _give_up(self, job: Job) -> None:
        """Make permanent what every source has said, for sure, that it does not have.

        Minutes without a bar are empty where the venue leaves those out.
        """
        sources = self._of(job.track)
        for hole, why in job.work.denials.hopeless(job.track.holes(), sources):
            if job.bars and self._venue.limits.empty_omitted:
                self._pipeline.fill_bars(job.line, [], hole, Evidence.REST)
            else:
                self._filling.give_up(job.track, hole, why if "archive" in sources else f"{why}; there is no archive")

    def at_once(self) -> None:
        """Forget every pause: what was in vain before may be there now."""
        for work in self._work.values():
            work.at_once()

    # Trades

    async def _trades(self, line: Line, track: Track, job: Job) -> bool:
        """Ask a source for trades; give whether it filled anything."""
        began = self._clock.monotonic()
        ask = self._ask(track, job.step.first, job.step.last, job.hole[1])
        if job.choice.source == "archive":
            found = await self._sources.archive_trades(ask)
            self._lacks(track, "archive", found.lacks, "the archive's files of these days do not have them")
            ids = cut(track.holes(), cut(track.holes(), found.vouched))
            await self._filling.trades(line, found.trades, ids, Evidence.ARCHIVE)
        else:
            found = await self._sources.rest_trades(ask, job.priority)
            self._left_out(track, job.work, found)
            ids = [part for vouched in found.vouched for part in track.sequence.coverage.missing(*vouched)]
            await self._filling.trades(line, found.trades, ids, Evidence.REST)
        self._filling.told(track, ids, job.choice, weight=found.weight, began=began)
        return bool(ids)

    def _ask(self, track: Track, first: int, last: int, end: int) -> Ask:
        """Write a question for ids of a hole that ends with `end`, with the rows held on either side."""
        before, joint = self._trade_before(track.tape, first), first
        if not self._sources.strict(track.tape):
            # Where ids may be spent without a trade, a page must begin at a row that is held to vouch for those after
            # it; behind the newest row nothing is stored that could tell better.
            row = track.newest_row
            joint = row if row is not None and row < first else before[0] if before else joint
        after = self._trade_before(track.tape, end + 2)
        after, newest = after if after and after[0] > end else None, track.sequence.coverage.newest
        return Ask(tape=track.tape, first=first, last=last, joint=joint, before=before, after=after, newest=newest)

    def _left_out(self, track: Track, work: Work, found: Found) -> None:
        """Weigh ids that a page leaves out: where they are consecutive it is wrong, unless it stays at that."""
        known = [(d.first, d.last) for d in work.denials.sure("rest")]
        fresh = cut(found.lacks, sorted([*known, *track.permanent]))
        self._lacks(track, "rest", fresh, "REST has other ids, and not these")
        if fresh and self._sources.strict(track.tape):
            raise Wrong(f"ids {fresh[0][0]} to {fresh[0][1]} are left out")

    # Bars

    async def _bars(self, job: Job) -> bool:
        """Ask a source for bars; give whether it filled anything."""
        began, track = self._clock.monotonic(), job.track
        if job.choice.source == "archive":
            found = await self._sources.archive_bars(track.tape, job.step.first, job.step.last)
            self._lacks(track, "archive", found.lacks, "the archive's file of the day does not have them")
            evidence = Evidence.ARCHIVE
        else:
            page = await self._bar_pages.ask(job.line, track, job.step, job.priority)
            if page is None:
                return True
            self._lacks(track, "rest", page.lacks, "REST has no bar of these minutes")
            found, evidence = page, Evidence.REST
        filled = self._filling.bars(job.line, track, found, evidence)
        self._filling.told(track, filled, job.choice, weight=found.weight, began=began)
        return bool(filled)

    # The newest end

    async def probe(self, line: Line) -> bool:
        """Ask for the newest execution id; give whether the venue is ahead of what is held, and want what it has.

        Of a tape of which nothing came yet, the venue is ahead when it has moved since the last time it was asked.
        """
        track = line.trades
        if track is None:
            return False
        history, name = self._venue.history, track.tape.name
        request = history.newest_request(self._hosts, line.instrument.symbol)
        try:
            fill, time = history.newest(await self._sources.get(request, Priority.LIVE))
        except (Refused, Unavailable) as refusal:
            self.done.refusals[name] = str(refusal)
            return False
        except UNREADABLE as error:
            self._filling.rejected(track, "rest", f"it cannot be read: {error}")
            return False
        if time > self._pipeline.clock.now(self._clock.monotonic()):  # of a trade of long ago it tells no time
            self._pipeline.clock.told(time, self._clock.monotonic())
        known, track.shown_fill = track.shown_fill, fill
        if track.newest_fill >= fill:
            return False
        if track.newest is None and not track.joins(time, within=self._pipeline.resume_within):
            return 0 <= known < fill
        try:
            return await self.tail(line, fill)
        except (Refused, Unavailable) as refusal:
            self.done.refusals[name] = str(refusal)
            return True

    async def tail(self, line: Line, fill: int) -> bool:
        """Fetch what lies after the newest id held, page by page; give whether there was anything."""
        track = line.trades
        if track is None:
            return False
        ahead = False
        while True:
            held = track.sequence.next
            if held is None or not await self._after(line, track, held):
                return ahead
            ahead = True
            if track.sequence.next == held or track.newest_fill >= fill:
                return ahead

    async def _after(self, line: Line, track: Track, first: int) -> bool:
        """Ask for the page that begins at an id; give whether it brought anything."""
        began = self._clock.monotonic()
        last = first + self._venue.limits.page_trades - 1
        try:
            found = await self._sources.rest_trades(self._ask(track, first, last, last), Priority.LIVE)
            if found.lacks and self._sources.strict(track.tape):
                raise Wrong(f"ids {found.lacks[0][0]} to {found.lacks[0][1]} are left out")
        except Wrong as wrong:
            self._filling.rejected(track, "rest", str(wrong))
            return False
        finally:
            self.done.requests = self._sources.requests
        ids = [part for vouched in found.vouched for part in track.sequence.coverage.missing(*vouched)]
        await self._filling.trades(line, found.trades, ids, Evidence.REST)
        self._filling.told(track, ids, Choice("rest", "the newest end"), weight=found.weight, began=began)
        return bool(ids)

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
