"""How often a stream speaks, and hence how long its silence is nothing unusual; how much a connection brings."""

from math import exp

from msgspec import Struct

from gapless.model import MS, SECOND

_MEMORY = 60 * SECOND
_APART = 100 * MS  # what comes closer together counts as one: a burst says little about the next silence


class Rate(Struct):
    """Arrivals of the last minute, the older the lighter; times are monotonic ns."""

    began: int = 0
    at: int = 0
    count: float = 0.0

    def heard(self, now: int) -> None:
        """Learn of an arrival."""
        if not self.count:
            self.began = now
        elif now - self.at < _APART:
            return
        self.count = self.count * exp((self.at - now) / _MEMORY) + 1
        self.at = now

    @property
    def mean(self) -> float:
        """The mean time between arrivals, ns; 0 while only one has come, too long where they are minutes apart."""
        if self.at == self.began:
            return 0.0
        return _MEMORY * (1 - exp((self.began - self.at) / _MEMORY)) / max(self.count - 1, 1e-6)


class Flow(Struct):
    """How many a second of what is counted in `total`: a mean over `memory` ns, the older the lighter.

    Times are monotonic ns. A count that is less than before began anew.
    """

    memory: int
    per_second: float = 0.0
    since: int = 0
    _at: int = 0
    _total: int = 0

    def looked(self, total: int, now: int) -> None:
        """Learn how far the count has come."""
        if self.since:
            passed = max(now - self._at, 1)
            recent = (total - self._total if total >= self._total else total) * SECOND / passed
            weight = exp(-passed / self.memory) if self._at > self.since else 0.0
            self.per_second = self.per_second * weight + recent * (1 - weight)
        else:
            self.since = now
        self._at, self._total = now, total
