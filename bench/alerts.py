"""Signals a day on recorded months, beside the seed's own rules, and false alerts where nothing happens.

The alternatives are judged in the same run: for spikes the ratio alone, for reversals the shape with a floor of 0.4 %
on risk, for patterns TA-Lib's finding without its context.
"""

import time
from collections.abc import Iterator

from bench.markets import MONTHS, Market, folder, judged, recorded, stationary
from gapless.derive.signals import Ready, ready
from gapless.derive.signals.settings import PatternSettings, ReversalSettings, SignalSettings, SpikeSettings
from gapless.model import DAY, HOUR, MINUTE, MINUTE_1, parse_timeframe

OURS = SignalSettings()
SEEDS = SignalSettings(
    reversal=ReversalSettings(min_risk_percent=0.4),
    patterns=PatternSettings(context_bars=0),
    volume_spike=SpikeSettings(rule="ratio"),
)
FRAMES = {
    "volume_spike": ("1m",),
    "reversal": ("1m", "3m", "5m", "15m", "30m", "60m"),
    "pattern": ("5m", "15m", "30m", "60m"),
}
BESIDE = {"volume_spike": "ratio alone", "reversal": "floor 0.4 %", "pattern": "without context"}
FLOW_HOURS = 200
FLOWS = ((2, 0.5), (8, 0.5), (30, 0.5), (2, 1.0), (8, 1.0), (30, 1.0))  # trades a minute, spread of the log of sizes
Row = tuple[str, str, str, str]


def run() -> Iterator[Row]:
    """Give the rows of the table: what, ours, the alternative, ratio."""
    for name in MONTHS:
        market = recorded(folder() / name)
        for rule, frames in FRAMES.items():
            for text in frames:
                yield _a_day(market, rule, text)
    for per_minute, spread in FLOWS:
        yield _false(per_minute, spread)
    yield _bursts()
    yield _cost()


def rules(settings: SignalSettings, kind: str, timeframe: str) -> list[Ready]:
    """Give the rules of one kind, each of its patterns."""
    found = ready(settings, parse_timeframe(timeframe))
    return [one for one in found if one.kind.partition(".")[0] == kind]


def alerts(settings: SignalSettings, market: Market, kind: str, timeframe: str) -> list[int]:
    """Give the bars at which a rule alerts; ends of episodes are none."""
    return [
        number
        for rule in rules(settings, kind, timeframe)
        for number, found in judged(rule, market, parse_timeframe(timeframe))
        if "ended" not in found.values
    ]


def _a_day(market: Market, kind: str, timeframe: str) -> Row:
    days = len(market.minutes) * MINUTE / DAY
    mine, other = (len(alerts(settings, market, kind, timeframe)) / days for settings in (OURS, SEEDS))
    share = f"{mine / other:.2f}" if other else ""
    return f"{market.name} {kind} {timeframe}, a day", f"{mine:.2f}", f"{other:.2f} {BESIDE[kind]}", share


def _false(per_minute: float, spread: float) -> Row:
    flow = stationary(per_minute, FLOW_HOURS * HOUR // MINUTE, seed=1, spread=spread)
    mine, other = (len(alerts(settings, flow, "volume_spike", "1m")) / FLOW_HOURS for settings in (OURS, SEEDS))
    what = f"false spikes an hour, {per_minute}/min, spread {spread}"
    return what, f"{mine:.3f}", f"{other:.3f} {BESIDE['volume_spike']}", "(goal 0.1)"


def _bursts() -> Row:
    begins = range(400, FLOW_HOURS * 60 - 200, 173)
    busy = {at + minute for at in begins for minute in range(5)}
    flow = stationary(8, FLOW_HOURS * 60, seed=2, spread=0.5, busy=lambda minute: 3 if minute in busy else 1)
    found = [
        sum(any(at <= alert < at + 5 for alert in told) for at in begins)
        for told in (alerts(settings, flow, "volume_spike", "1m") for settings in (OURS, SEEDS))
    ]
    return "bursts of 3 x found within 5 min", f"{found[0]}/{len(begins)}", f"{found[1]}/{len(begins)} ratio alone", ""


def _cost() -> Row:
    market = recorded(folder() / MONTHS[0])
    times = []
    for kind in ("volume_spike", "reversal"):
        (rule,) = rules(OURS, kind, "1m")
        began = time.perf_counter()
        sum(1 for _ in judged(rule, market, MINUTE_1))
        times.append((time.perf_counter() - began) / len(market.minutes) * 1e6)
    return "judging a minute for spikes, us", f"{times[0]:.1f}", f"{times[1]:.1f} reversal", ""
