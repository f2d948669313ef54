"""Asks a venue for its time while its streams tell none, and notices jumps of this machine's."""

from collections.abc import Callable

from gapless.budget.priority import Priority
from gapless.collect.pipeline import Pipeline
from gapless.collect.rest import RestClient
from gapless.errors import UNREADABLE, Refused
from gapless.model import SECOND
from gapless.ports import Clock
from gapless.protocol.venue_clock import QUIET
from gapless.venues.spec import Hosts

_QUIET_DEGRADED = 5 * SECOND  # while streams are down nothing else tells that a minute is over


class Timing:
    """The time of one venue and that of this machine."""

    def __init__(
        self, pipeline: Pipeline, rest: RestClient, hosts: Hosts, clock: Clock, note: Callable[..., None]
    ) -> None:
        self._pipeline = pipeline
        self._rest = rest
        self._hosts = hosts
        self._clock = clock
        self._note = note
        self._asking = False
        self._offset = clock.wall() - clock.monotonic()

    def look(self, mono: int) -> None:
        """Note a jump of the wall clock; nothing but display depends on it."""
        offset = self._clock.wall() - mono
        if abs(offset - self._offset) > SECOND:
            jump = round((offset - self._offset) / SECOND, 3)
            self._note("clock_jumped", self._pipeline.venue.name, seconds=jump)
            self._offset = offset

    def is_due(self, mono: int) -> bool:
        """Say whether the venue is to be asked for its time; whoever is told so asks."""
        quiet = _QUIET_DEGRADED if self._pipeline.degraded else QUIET
        quiet = max(quiet, 5 * self._rest.spacing())  # a fifth of what our own ceilings allow
        if self._asking or mono - self._pipeline.clock.silent_since <= quiet:
            return False
        self._asking = True
        return True

    async def ask(self) -> int | None:
        """Ask for the venue's time; None where it does not tell."""
        history, clock = self._pipeline.venue.history, self._pipeline.clock
        try:
            time = history.time(await self._rest.get(history.time_request(self._hosts), priority=Priority.LIVE))
        except (*UNREADABLE, Refused) as trouble:
            self._note("time_refused", self._pipeline.venue.name, reason=str(trouble))
            return None
        else:
            clock.told(time, self._clock.monotonic())
            return time
        finally:
            clock.asked(self._clock.monotonic())
            self._asking = False
