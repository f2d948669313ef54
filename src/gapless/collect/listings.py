"""Notices that an instrument is no longer traded: then nothing more is wanted of it."""

from collections.abc import Awaitable, Callable

from msgspec import Struct
from msgspec.structs import replace

from gapless.budget.priority import Priority
from gapless.collect.line import Line
from gapless.collect.pipeline import Pipeline
from gapless.collect.rest import RestClient
from gapless.errors import UNREADABLE, BadNumber, CouldNot, Refused
from gapless.model import MINUTE, SECOND, Instrument
from gapless.model.instrument import Status
from gapless.ports import Clock
from gapless.venues.spec import Hosts

_OVERDUE = 10 * SECOND  # a bar that is due and not there for so long is doubtful
_AGAIN = 10 * SECOND
_AGAIN_MOST = 600 * SECOND


class _Asked(Struct):
    """Since when a line lacks a bar, when the venue's list may be read again for it, and how long that is put off."""

    since: int = 0
    absent: bool = False
    after: int = 0
    pause: int = _AGAIN


class Listings:
    """Reads the venue's list when bars of an instrument fail to come, or a stream says that it is not traded.

    What is not traded any more is ended, once all is held that the venue has of it.
    """

    def __init__(
        self, pipeline: Pipeline, rest: RestClient, hosts: Hosts, clock: Clock, *,
        listed: Callable[[], Awaitable[list[Instrument]]], ended: Callable[[Instrument], Awaitable[None]],
    ) -> None:  # fmt: skip
        self._pipeline = pipeline
        self._rest = rest
        self._hosts = hosts
        self._clock = clock
        self._listed = listed
        self._ended = ended
        self._asked: dict[str, _Asked] = {}
        self._named: set[str] = set()
        self._pushed = "bars" in pipeline.venue.streams.kinds

    def told(self, statuses: dict[str, Status]) -> None:
        """Learn from a stream, by symbol, which products are traded; for those that are not the list is read again."""
        venue = self._pipeline.venue.name
        for symbol, status in statuses.items():
            name = f"{venue}:{symbol}"
            if status != "trading":
                self._named.add(name)
            elif line := self._pipeline.lines.get(name):
                self._named.discard(name)
                line.ended = False

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await self._clock.sleep(SECOND)
            await self.look()

    async def look(self) -> None:
        """Read the list if bars of an instrument are overdue, and end what it shows to be over."""
        now = self._clock.monotonic()
        doubtful = [line for name, line in self._pipeline.lines.items() if self._is_doubtful(name, line, now)]
        if not doubtful:
            return
        try:
            known = {one.id: one for one in await self._listed()}
            for line in doubtful if known else ():
                await self._judge(line, known.get(line.instrument.id))
        except CouldNot:
            return  # the network, or the store: it is looked again

    async def _judge(self, line: Line, found: Instrument | None) -> None:
        """End a line that the venue does not trade; one that is merely absent must be so twice."""
        asked = self._asked[line.instrument.id]
        if found is not None and found.status == "trading":
            self._named.discard(line.instrument.id)
            asked.pause = min(asked.pause * 2, _AGAIN_MOST)
        elif found is None and not asked.absent:
            asked.absent = True
        elif await (self._is_over(line) if self._pushed else self._is_whole(line)):
            line.ended = True
            self._named.discard(line.instrument.id)
            try:
                await self._ended(found or replace(line.instrument, status="delisted"))
            except CouldNot:
                line.ended = False
                raise
        elif line.instrument.id in self._named:
            asked.pause = min(asked.pause * 2, _AGAIN_MOST)

    def _is_doubtful(self, name: str, line: Line, now: int) -> bool:
        track = line.bars
        if line.ended or track is None or self._pipeline.degraded:
            return False  # while streams are down bars come late, and that says nothing
        asked = self._asked.setdefault(name, _Asked())
        if name in self._named and now >= asked.after:
            asked.since, asked.after = asked.since or now, now + asked.pause
            return True
        if not self._pushed or track.begins is None or track.newest is None:
            return False
        held = track.sequence.coverage.newest or track.begins - 1
        if track.newest <= held:
            asked.since, asked.absent, asked.pause = 0, False, _AGAIN
            return False
        asked.since = asked.since or now
        if now < max(asked.after, asked.since + _OVERDUE):
            return False
        asked.after = now + asked.pause
        return True

    async def _is_whole(self, line: Line) -> bool:
        """Show that the newest trade of the venue is held, and all before it that is wanted."""
        track = line.trades
        if track is None or track.newest is None or track.holes():
            return False
        history = self._pipeline.venue.history
        request = history.newest_request(self._hosts, line.instrument.symbol)
        try:
            newest, _ = history.newest(await self._rest.get(request, priority=Priority.LIVE))
        except Refused:
            return True  # it is not even known any more
        except UNREADABLE:
            return False
        return newest <= track.newest_fill

    async def _is_over(self, line: Line) -> bool:
        """Show that the venue has no bar after those held, and want none; false while it has one."""
        track = line.bars
        assert track is not None
        assert track.begins is not None
        held = track.sequence.coverage.newest or track.begins - 1
        last = held
        history, now = self._pipeline.venue.history, self._pipeline.clock.now(self._clock.monotonic())
        request = history.bars_request(self._hosts, line.instrument.symbol, (held + 1) * MINUTE, now, now)
        try:
            if history.bars(await self._rest.get(request, priority=Priority.LIVE), track.tape):
                return False
        except Refused:
            # It is not even known any more: up to its last trade bars are wanted, and the archive may have them.
            last = max(held, line.trades.newest_time // MINUTE if line.trades else held)
        except (*UNREADABLE, BadNumber):
            return False
        self._pipeline.cut(line, last)
        return True
