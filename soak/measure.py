"""What is counted: instrument-seconds, lags, and how a process grows. Pure: time is an argument."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from msgspec import Struct, field

HELD_WITHIN = 2.0  # seconds after which the newest due event must be held


class Uptime(Struct):
    """Counts instrument-seconds of real time.

    A second of an instrument is up when in every sample of it the newest event that had fallen due 2 s before the
    sample was held. A second in which nobody could look counts as down, and apart as unmeasured.
    """

    up: int = 0
    down: int = 0
    unmeasured: int = 0
    worst: dict[str, int] = field(default_factory=dict)
    _second: int | None = None
    _states: dict[str, bool] = field(default_factory=dict)

    def sample(self, second: int, states: dict[str, bool]) -> None:
        """Take what was found in a sample: for each instrument, whether what was due was held."""
        if self._second is not None and second != self._second:
            self._close(second)
        self._second = second
        for name, held in states.items():
            self._states[name] = self._states.get(name, True) and held

    def _close(self, second: int) -> None:
        assert self._second is not None
        for name, held in self._states.items():
            self.up += held
            self.down += not held
            if not held:
                self.worst[name] = self.worst.get(name, 0) + 1
        starved = (second - self._second - 1) * len(self._states)
        self.down += starved
        self.unmeasured += starved
        self._states = {}

    def close(self) -> None:
        """Count the last second."""
        if self._second is not None:
            self._close(self._second + 1)
            self._second = None

    @property
    def share(self) -> float:
        """The share of instrument-seconds that were up; 0 where there was none."""
        return self.up / (self.up + self.down) if self.up + self.down else 0.0


def quantiles(parts: Sequence[Any], shares: Iterable[float]) -> list[float | None]:
    """Give quantiles of all lags (ms), None where there is none."""
    if not parts:
        return [None for _ in shares]
    return [round(float(value), 1) for value in np.quantile(np.concatenate(parts), list(shares))]


class Line(Struct, frozen=True):
    """A straight line through points by least squares: its slope, and the standard error of that."""

    slope: float
    error: float
    points: int


def line_through(times: Sequence[float], values: Sequence[float]) -> Line | None:
    """Fit a line; None with fewer than three points or none apart."""
    if len(times) < 3 or max(times) == min(times):
        return None
    x, y = np.asarray(times), np.asarray(values)
    x = x - x.mean()
    square = float((x * x).sum())
    slope = float((x * y).sum()) / square
    rest = y - y.mean() - slope * x
    error = (float((rest * rest).sum()) / (len(times) - 2) / square) ** 0.5
    return Line(slope, error, len(times))


class Hour(Struct, kw_only=True):
    """One hour of the market; memory in MB, store in bytes, lags in ms."""

    number: int
    begins: str
    uptime: float = 0.0
    events: int = 0
    lag_p50: float | None = None
    lag_p999: float | None = None
    memory: float = 0.0
    handles: int = 0
    threads: int = 0
    cpu: float = 0.0
    store: int = 0
    repaired: int = 0
    gaps_open: int = 0
    connects: int = 0
    rotated: int = 0
