"""Notices that streams of a venue are down: its closed bars come by REST then, before anything else, and it is said."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from gapless.collect.connection import Connection
from gapless.collect.pipeline import Pipeline
from gapless.model import SECOND
from gapless.ports import Clock

_AFTER = 3 * SECOND  # a break is healed in a second; who was down for so long, or up again for so long, is


class Degraded(Struct, frozen=True):
    """Since when streams of a venue are down (ns UTC of this machine), and why."""

    venue: str
    since: int
    why: str


class Degrading:
    """Watches the connections of a venue; `state` is None while all of them stand.

    A venue of which nothing is to be `streamed` is degraded for ever.
    """

    def __init__(
        self, pipeline: Pipeline, connections: Sequence[Connection], clock: Clock, note: Callable[..., None], *,
        streamed: bool = True,
    ) -> None:  # fmt: skip
        self.state: Degraded | None = None
        self._pipeline = pipeline
        self._connections = connections
        self._clock = clock
        self._note = note
        self._streamed = streamed
        self._turned = 0
        self._troubles: dict[str, str] = {}

    def heard(self, name: str, subject: str, fields: dict[str, object]) -> None:
        """Learn from the events of a connection what is wrong with it."""
        if name == "connect_failed":
            self._troubles[subject] = str(fields["error"])
        elif name == "disconnected":
            self._troubles[subject] = f"it broke: {fields['reason'] or fields['code']}"

    def look(self) -> None:
        """Compare the connections with what was said of them last."""
        down = [one.name for one in self._connections if not one.up]
        broken = bool(down) or not self._streamed
        mono = self._clock.monotonic()
        if broken is (self.state is not None):
            self._turned = 0
            return
        self._turned = self._turned or mono
        if mono - self._turned < _AFTER:
            return
        venue, at = self._pipeline.venue.name, self._clock.wall()
        if self.state is None:
            why = self._why(down) if down else "collect.streams is false: nothing is streamed"
            self.state = Degraded(venue, at - (mono - self._turned), why)
            self._note("degraded", venue, reason=why)
        else:
            self._note("recovered", venue, seconds=round((at - self.state.since) / SECOND, 1))
            self.state = None
        self._turned = 0
        self._pipeline.degraded = self.state is not None

    def _why(self, down: list[str]) -> str:
        trouble = self._troubles.get(down[0], "it does not stand")
        return f"{len(down)} of {len(self._connections)} connections are down; {down[0]}: {trouble}"
