"""Looks after streams that may be silent: asks the venue whether they should have spoken."""

import asyncio
from typing import Any

from gapless.collect.connection import Connection
from gapless.collect.line import Line
from gapless.collect.repair import Repair
from gapless.errors import CouldNot
from gapless.model import MS, SECOND
from gapless.ports import Clock
from gapless.protocol.session import Session
from gapless.venues.spec import Stream

_LATE = 750 * MS  # REST may be ahead of a stream by so much
_UNTOLD = 3 * SECOND  # a venue that does not answer within this (a ban, a failure) is not waited for


class Watchdog:
    """Verifies every suspicion before a stream is called silent: a quiet market is no outage."""

    def __init__(self, repair: Repair, lines: dict[str, Line], clock: Clock) -> None:
        self.found = 0
        self.asked = 0
        self.tasks: asyncio.TaskGroup | None = None
        self._repair = repair
        self._lines = lines
        self._clock = clock
        self._looking: set[str] = set()
        self._missed: dict[str, tuple[Session, int]] = {}

    def suspects(self, connection: Connection, stream: Stream) -> None:
        """Look after a stream, unless that is under way: a ban may keep the answer back for long."""
        if self.tasks is not None and stream.name not in self._looking and stream.instrument in self._lines:
            self._looking.add(stream.name)
            looking = self._look(connection, connection.session, stream)
            self.tasks.create_task(looking, name=f"{connection.name}/look")

    async def _look(self, connection: Connection, session: Session, stream: Stream) -> None:
        """Ask whether the stream should have spoken, and give it a moment to do so."""
        self.asked += 1
        line = self._lines[stream.instrument]
        spoken = session.subscriptions[stream.name].events

        def spoke() -> bool:
            return connection.session is not session or session.subscriptions[stream.name].events > spoken

        try:
            asking = asyncio.ensure_future(self._is_ahead(line))
            while not await self._answered(asking):
                if spoke():
                    asking.cancel()
                    return
                if self._unusual(session, stream, 2):
                    connection.doubtful(stream)  # to be replaced costs nothing
            if not await asking:
                session.quiet(stream.name)
                return
            await self._clock.sleep(_LATE)
            if spoke():
                return
            # Once may be a last frame that was lost, and is only repaired; twice, or for long, it is the stream.
            if self._unusual(session, stream, 1) or self._missed.get(stream.name) == (session, spoken):
                self.found += 1
                connection.silent(stream)
            self._missed[stream.name] = (session, spoken)
        finally:
            self._looking.discard(stream.name)

    async def _answered(self, asking: asyncio.Future[bool]) -> bool:
        """Wait for an answer, but not for ever; give whether it is there."""
        waiting: asyncio.Future[None] = asyncio.ensure_future(self._clock.sleep(_UNTOLD))
        both: set[asyncio.Future[Any]] = {asking, waiting}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        return asking.done()

    def _unusual(self, session: Session, stream: Stream, times: int) -> bool:
        """Say whether the silence is long at the stream's own rate."""
        subscription = session.subscriptions[stream.name]
        silence = self._clock.monotonic() - max(subscription.last, subscription.since)
        return silence > times * session.limit(subscription)

    async def _is_ahead(self, line: Line) -> bool:
        """Give whether the venue has more than came, and fetch it."""
        track = line.trades
        if track is None:
            return False
        if not track.told_since:
            return await self._repair.probe(line)
        track.told_since = 0  # told again when something newer is named
        if track.newest is None:
            return True  # there is no id to ask from: what was named since it began has not come
        try:
            return await self._repair.tail(line, track.told_fill)
        except CouldNot:
            return False
