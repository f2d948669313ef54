"""Which source of an instrument is active: the primary, or who stands in for it, and when it takes over again."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from gapless.consolidate.health import Verdict
from gapless.model import SECOND

_START = 5 * SECOND  # until then a source that was never healthy may still be connecting


class Switch(Struct, frozen=True, kw_only=True):
    """Another source is active from now on; `since` is when what made it so showed first, monotonic ns."""

    source: str
    former: str
    reason: str
    since: int


class Failed(Struct, frozen=True):
    """The active source is unhealthy and there is none that could stand in."""

    reason: str


class Choice:
    """Chooses among sources, the primary first; `active` is the choice, `since` when it was made (monotonic ns).

    The active source is left only when it is unhealthy, or for the primary once that has been healthy for `dwell`
    ns without a break. Who stands in was healthy for as long, if anybody was, else for the longest. Without `failover`
    the primary stays whatever happens.
    """

    def __init__(
        self, sources: Sequence[str], *, failover: bool, dwell: int, began: int, active: str | None = None
    ) -> None:
        self.sources = tuple(sources)
        self.active = active if failover and active in self.sources else self.sources[0]
        self.since = began
        self.failing = False
        self._failover = failover
        self._dwell = dwell
        self._began = began
        self._settled = False
        self._healthy: dict[str, int] = {}

    def look(self, verdicts: Mapping[str, Verdict], now: int) -> Switch | Failed | None:
        """Choose anew by what is said of every source."""
        for source in self.sources:
            if verdicts[source].healthy:
                self._healthy.setdefault(source, now)
            else:
                self._healthy.pop(source, None)
        self.failing = self.failing and not self._healthy
        verdict, primary = verdicts[self.active], self.sources[0]
        if verdict.healthy:
            self._settled = True
            if self._failover and self.active != primary and self._steady(primary, now):
                return self._take(primary, f"{primary} has been healthy for {self._dwell / SECOND:g} s", now, now)
            return None
        if not self._failover or (not self._settled and now - self._began < _START):
            return None
        if not self._healthy:
            told, self.failing = self.failing, True
            return None if told else Failed(f"{self.active}: {verdict.reason}, and no other source is healthy")
        steady = [source for source in self.sources if self._steady(source, now)]
        best = steady[0] if steady else min(self._healthy, key=self._healthy.__getitem__)
        return self._take(best, f"{self.active}: {verdict.reason}", now, verdict.since)

    def changed(self, sources: Sequence[str], now: int) -> Switch | None:
        """Learn of other sources; one that is no longer among them is left."""
        self.sources = tuple(sources)
        self._healthy = {source: since for source, since in self._healthy.items() if source in self.sources}
        if self.active in self.sources:
            return None
        best = next((source for source in self.sources if source in self._healthy), self.sources[0])
        return self._take(best, f"{self.active} is no source any more", now, now)

    def _steady(self, source: str, now: int) -> bool:
        return source in self._healthy and now - self._healthy[source] >= self._dwell

    def _take(self, source: str, reason: str, now: int, since: int) -> Switch:
        former, self.active, self.since = self.active, source, now
        return Switch(source=source, former=former, reason=reason, since=since)
