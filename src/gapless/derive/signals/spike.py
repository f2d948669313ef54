"""The volume spike: the volume of the last minutes against that of the windows before them."""

from bisect import bisect_right
from collections.abc import Iterator
from fractions import Fraction
from operator import attrgetter
from typing import NamedTuple

from gapless.derive.profile import median_twice
from gapless.derive.signals.settings import SignalSettings, SpikeSettings, exact, least_proof, numbers_of
from gapless.derive.signals.spec import Ready, Rule, Window, usable
from gapless.model import MINUTE, Proof, Timeframe, iso
from gapless.model.number import divided, plain, rounded
from gapless.model.signal import Fact, Signal

KIND = "volume_spike"
_NORMAL = Fraction("0.6745")  # half of a normal distribution lies within so many standard deviations
_PLAIN = ("rule", "threshold", "window_minutes")  # facts that others know by these names


def ready(settings: SignalSettings, timeframe: Timeframe) -> tuple[Ready, ...]:
    """Bind the rule to its thresholds; only minutes are judged."""
    own = settings.volume_spike
    if not (settings.enabled and own.enabled and timeframe.minutes == 1):
        return ()
    limits = Limits.of(own)
    least = least_proof(settings)

    def judge(window: Window) -> Signal | None:
        return _judged(window, Levels(window, own, least), limits)

    behind = -(-own.episode_minutes // own.window_minutes) + 2  # windows that only minutes further back look at
    return (
        Ready(
            kind=KIND,
            bars=own.window_minutes + own.episode_minutes,
            warm_up=own.window_minutes * (least_windows(own) + 2) - 1,  # wherever on the grid the first minute lies
            thresholds=numbers_of(own),
            coarse=(Timeframe(own.window_minutes), own.windows_max + behind),
            judge=judge,
        ),
    )


def least_windows(settings: SpikeSettings) -> int:
    """Give how many windows there must be before anything is said."""
    return settings.baseline_min if settings.rule == "ratio" else max(settings.baseline_min, settings.windows_min)


class Level(NamedTuple):
    """What stands behind one minute: its trailing window, and the volumes of the aligned `windows` before that."""

    start: int
    volume: int
    trades: int
    windows: list[int]
    total: int

    def over(self, ratio: Fraction) -> bool:
        """Say whether the volume is more than so many times the mean window."""
        return self.volume * len(self.windows) * ratio.denominator > ratio.numerator * self.total

    def under(self, ratio: Fraction) -> bool:
        """Say whether the volume is less than so many times the mean window."""
        return self.volume * len(self.windows) * ratio.denominator < ratio.numerator * self.total

    def ratio(self) -> Fraction:
        """Give the volume over the mean window."""
        return Fraction(self.volume * len(self.windows), self.total)

    def z(self) -> Fraction | None:
        """Give the robust z of the volume among the windows; None where at least half of them are equal."""
        middle = median_twice(self.windows)
        spread = median_twice(abs(2 * volume - middle) for volume in self.windows)  # 4 x the MAD
        return _NORMAL * 2 * (2 * self.volume - middle) / spread if spread else None


class Limits(NamedTuple):
    """The thresholds as exact numbers; by the rule `ratio` there is no `z`, and trades do not count."""

    threshold: Fraction
    rearm: Fraction
    z: Fraction | None
    min_trades: int

    @classmethod
    def of(cls, settings: SpikeSettings) -> "Limits":
        """Read the settings."""
        threshold = exact(settings.threshold)
        rearm = min(exact(settings.rearm), threshold)  # what begins an episode cannot end it
        z = exact(settings.z) if settings.rule == "robust" else None
        return cls(threshold, rearm, z, settings.min_trades)

    def passed(self, level: Level) -> bool:
        """Say whether a level is one to alert at; what costs most is looked at last."""
        if not level.over(self.threshold):
            return False
        if self.z is None:
            return True
        if level.trades < self.min_trades:
            return False
        z = level.z()
        return z is None or z >= self.z


_start = attrgetter("start")


class Levels:
    """The levels of the minutes of a window, by how many minutes back they are; formed when asked."""

    def __init__(self, window: Window, settings: SpikeSettings, least: Proof) -> None:
        self.bars = window.bars
        self.coarse = window.coarse
        self.settings = settings
        self.least = least
        self.least_windows = least_windows(settings)
        self._before: dict[int, tuple[list[int], int]] = {}

    def at(self, back: int) -> Level | None:
        """Give the level of a minute; None where its window is not whole or too little lies before."""
        minutes = self.settings.window_minutes
        end = len(self.bars) - back
        trailing = self.bars[max(0, end - minutes) : end]
        if len(trailing) < minutes or not all(usable(bar, self.least) for bar in trailing):
            return None
        until = bisect_right(self.coarse, trailing[0].start - minutes * MINUTE, key=_start)
        windows, total = self._windows(until)
        if len(windows) < self.least_windows or not total:
            return None
        volume = sum(bar.volume or 0 for bar in trailing)
        return Level(trailing[-1].start, volume, sum(bar.trades or 0 for bar in trailing), windows, total)

    def _windows(self, until: int) -> tuple[list[int], int]:
        """Give the volumes of the newest windows before one, and their sum.

        A window cut short by midnight is no measure of a whole one.
        """
        known = self._before.get(until)
        if known is None:
            wanted = self.coarse[max(0, until - self.settings.windows_max) : until]
            windows = [bar.volume or 0 for bar in wanted if usable(bar, self.least) and not bar.short]
            known = self._before[until] = windows, sum(windows)
        return known

    def run(self, rearm: Fraction) -> Iterator[Level]:
        """Give the levels before the judged minute, newest first, as long as none is below `rearm`; gaps are passed."""
        for back in range(1, self.settings.episode_minutes + 1):
            level = self.at(back)
            if level and level.under(rearm):
                return
            if level:
                yield level


def _judged(window: Window, levels: Levels, limits: Limits) -> Signal | None:
    level = levels.at(0)
    if level is None:
        return None
    if not level.under(limits.rearm):
        if not limits.passed(level) or any(limits.passed(before) for before in levels.run(limits.rearm)):
            return None
        return _signal(window, level, levels.settings)
    run = list(levels.run(limits.rearm))
    first = max((index for index, before in enumerate(run) if limits.passed(before)), default=None)
    if first is None:
        return None
    peak = max(run[: first + 1], key=Level.ratio)
    share = peak.ratio()
    ended: dict[str, Fact] = {
        "ended": True,
        "began": iso(run[first].start),
        "peak": rounded(share.numerator, share.denominator),
        "peak_volume": plain(peak.volume, window.size_digits),
    }
    return _signal(window, level, levels.settings, ended)


def _signal(window: Window, level: Level, settings: SpikeSettings, ended: dict[str, Fact] | None = None) -> Signal:
    ratio, z = level.ratio(), level.z()
    values: dict[str, Fact] = {
        "volume": plain(level.volume, window.size_digits),
        "baseline": plain(divided(level.total, len(level.windows)), window.size_digits),
        "ratio": rounded(ratio.numerator, ratio.denominator),
        "z": None if z is None else rounded(z.numerator, z.denominator),
        "trades": level.trades,
        "windows": len(level.windows),
    }
    for name, value in numbers_of(settings).items():
        values[name if name in _PLAIN else f"threshold_{name}"] = value
    price = plain(window.bars[-1].close or 0, window.price_digits)
    return Signal(kind=KIND, side=0, price=price, values=values | (ended or {}))


RULE = Rule(
    section=KIND,
    summary="more volume in the last minutes than the windows of the day before explain; one alert an episode",
    inputs="1m bars, bars of window_minutes",
    ready=ready,
)
