"""The thresholds of signals. Shares are whole per cent and ratios are exact, so that every comparison is exact."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from fractions import Fraction
from math import isfinite
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from gapless.derive.signals.pattern_table import PATTERNS
from gapless.errors import BadInput
from gapless.model import DAY, MINUTE, Proof, Timeframe, parse_timeframe
from gapless.model.signal import Fact

PROOFS = ("official", "repaired", "proven")
SPIKE_RULES = ("robust", "ratio")


class ReversalSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The reversal candle: shares of the bar's range in per cent, and the least risk in per cent of the close.

    Without `timeframes` those of all signals count.
    """

    enabled: bool = True
    timeframes: tuple[str, ...] = ()
    body_percent: int = 23
    short_tail_percent: int = 5
    long_tail_percent: int = 30
    min_risk_percent: float = 0.0


class PatternSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Candlestick patterns by name, and how many bars before one make its context (0: none is asked for)."""

    enabled: bool = True
    timeframes: tuple[str, ...] = ("5m", "15m", "30m", "60m")
    names: tuple[str, ...] = (
        "hammer", "inverted_hammer", "hanging_man", "shooting_star", "engulfing", "piercing", "dark_cloud_cover",
        "doji_star", "morning_star", "evening_star", "morning_doji_star", "evening_doji_star",
    )  # fmt: skip
    context_bars: int = 10


class SpikeSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The volume spike, judged on 1m bars against aligned windows of `window_minutes`.

    `rule` is robust (ratio, z and trades) or ratio (alone). Windows are counted back from the trailing one; an
    episode is looked for in so many minutes before.
    """

    enabled: bool = True
    rule: str = "robust"
    threshold: float = 1.5
    rearm: float = 1.2
    window_minutes: int = 5
    z: float = 3.5
    min_trades: int = 30
    windows_min: int = 24
    windows_max: int = 288
    baseline_min: int = 12
    episode_minutes: int = 240


class Thresholds(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may differ from timeframe to timeframe."""

    reversal: ReversalSettings = ReversalSettings()
    patterns: PatternSettings = PatternSettings()


class SignalSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which signals are judged, on which timeframes, from which proof on; `at` holds a timeframe's own thresholds."""

    enabled: bool = True
    timeframes: tuple[str, ...] = tuple(f"{minutes}m" for minutes in range(1, 61))
    min_proof: str = "official"
    reversal: ReversalSettings = ReversalSettings()
    patterns: PatternSettings = PatternSettings()
    volume_spike: SpikeSettings = SpikeSettings()
    at: dict[str, Thresholds] = {}


def exact(value: float) -> Fraction:
    """Read a setting as the decimal that was written."""
    return Fraction(str(value))


def least_proof(settings: SignalSettings) -> Proof:
    """Give the proof below which a bar is not judged."""
    return Proof[settings.min_proof.upper()]


def thresholds(settings: SignalSettings, timeframe: Timeframe) -> Thresholds:
    """Give what is in force for a timeframe: its own thresholds, else those of all."""
    for text, own in settings.at.items():
        if parse_timeframe(text).minutes == timeframe.minutes:
            return own
    return Thresholds(reversal=settings.reversal, patterns=settings.patterns)


def numbers_of(rule: Struct) -> dict[str, Fact]:
    """Give the thresholds of a rule, by name."""
    return {name: value for name, value in asdict(rule).items() if name not in ("enabled", "timeframes", "names")}


def judged(settings: SignalSettings, rule: ReversalSettings | PatternSettings, timeframe: Timeframe) -> bool:
    """Say whether a rule is judged on a timeframe."""
    named = rule.timeframes or settings.timeframes
    return settings.enabled and rule.enabled and timeframe.minutes in _minutes(named)


def timeframes(settings: SignalSettings) -> tuple[Timeframe, ...]:
    """Give every timeframe that some rule may be judged on, shortest first."""
    found = {1, *_minutes(settings.reversal.timeframes or settings.timeframes)}
    found |= _minutes(settings.patterns.timeframes or settings.timeframes)
    return tuple(Timeframe(minutes) for minutes in sorted(found))


def _minutes(texts: Iterable[str]) -> set[int]:
    return {parse_timeframe(text).minutes for text in texts}


def inherited(tree: Any) -> Any:
    """Fill what a timeframe's own sections leave open with what is set for all, in settings as they were written."""
    at = tree.get("at") if isinstance(tree, Mapping) else None
    if not isinstance(at, Mapping):
        return tree
    shared = {name: tree[name] for name in Thresholds.__struct_fields__ if name in tree}
    rest = {name: value for name, value in tree.items() if name != "at"}
    return {**rest, "at": {text: _over(shared, own) for text, own in at.items()}}  # last: the first error is told


def _over(shared: Any, own: Any) -> Any:
    if not (isinstance(shared, Mapping) and isinstance(own, Mapping)):
        return own
    return {**shared, **{name: _over(shared.get(name), value) for name, value in own.items()}}


def check(settings: SignalSettings) -> None:
    """Refuse, in one sentence that names the key and what is allowed, what no rule could be judged by."""
    _check_timeframes("signals.timeframes", settings.timeframes)
    _one_of("signals.min_proof", settings.min_proof, PROOFS)
    _check_thresholds("signals", settings.reversal, settings.patterns)
    _check_spike(settings.volume_spike)
    known = timeframes(settings)
    for text, own in settings.at.items():
        key = f"signals.at.{text}"
        _check_timeframes(key, (text,))
        minutes = parse_timeframe(text).minutes
        if minutes not in {timeframe.minutes for timeframe in known}:
            raise BadInput(f"{key}: nothing is judged on {text}; allowed are {', '.join(map(str, known))}")
        if sum(parse_timeframe(other).minutes == minutes for other in settings.at) > 1:
            raise BadInput(f"{key}: the timeframe is named twice; allowed is one section for each")
        for name in Thresholds.__struct_fields__:
            if getattr(own, name).timeframes != getattr(settings, name).timeframes:
                raise BadInput(f"{key}.{name}.timeframes is not allowed; signals.{name}.timeframes is")
        _check_thresholds(key, own.reversal, own.patterns)


def _check_thresholds(key: str, reversal: ReversalSettings, patterns: PatternSettings) -> None:
    _check_timeframes(f"{key}.reversal.timeframes", reversal.timeframes)
    for name in ("body_percent", "short_tail_percent", "long_tail_percent", "min_risk_percent"):
        _between(f"{key}.reversal.{name}", getattr(reversal, name), 0, 100)
    _check_timeframes(f"{key}.patterns.timeframes", patterns.timeframes)
    for text in patterns.names:
        _one_of(f"{key}.patterns.names", text, tuple(PATTERNS))
    _between(f"{key}.patterns.context_bars", patterns.context_bars, 0, 500)


def _check_spike(spike: SpikeSettings) -> None:
    key = "signals.volume_spike"
    _one_of(f"{key}.rule", spike.rule, SPIKE_RULES)
    bounds: dict[str, tuple[float, float]] = {
        "threshold": (0.1, 1_000),
        "rearm": (0.1, 1_000),
        "window_minutes": (1, 60),
        "z": (0, 1_000),
        "min_trades": (0, 1_000_000),
        "windows_max": (1, 2_016),
        "windows_min": (1, spike.windows_max),
        "baseline_min": (1, spike.windows_max),
        "episode_minutes": (spike.window_minutes, DAY // MINUTE),
    }
    for name, (least, most) in bounds.items():
        _between(f"{key}.{name}", getattr(spike, name), least, most)


def _check_timeframes(key: str, texts: Iterable[str]) -> None:
    for text in texts:
        try:
            parse_timeframe(text)
        except BadInput as error:
            raise BadInput(f"{key}: {error}") from error


def _one_of(key: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        near = get_close_matches(value, allowed, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise BadInput(f"{key}: {value!r} is not allowed; allowed are {', '.join(allowed)}{hint}")


def _between(key: str, value: float, least: float, most: float) -> None:
    if not (isfinite(value) and least <= value <= most):
        raise BadInput(f"{key}: {value} is not allowed; allowed are {least} to {most}")
