"""The rules as people ask for them: what each is, where it is judged, what it looks at, and its thresholds in force."""

from msgspec import Struct

from gapless.derive.signals.settings import SignalSettings, timeframes
from gapless.derive.signals.spec import Ready, Rule
from gapless.model.signal import Fact


class Judging(Struct, frozen=True, kw_only=True):
    """Timeframes on which a rule is judged alike; `warm_up` counts bars, the judged one included."""

    timeframes: list[str]
    warm_up: int
    thresholds: dict[str, Fact]


class Listed(Struct, frozen=True, kw_only=True):
    """A kind of signal and the rule that it comes from; it is judged nowhere where `judged` is empty."""

    kind: str
    rule: str
    summary: str
    inputs: str
    judged: list[Judging]


def listed(rules: tuple[Rule, ...], settings: SignalSettings) -> list[Listed]:
    """List every kind of signal; a rule that is judged nowhere stands under its section's name."""
    found = []
    for rule in rules:
        kinds: dict[str, list[tuple[str, Ready]]] = {}
        for timeframe in timeframes(settings):
            for one in rule.ready(settings, timeframe):
                kinds.setdefault(one.kind, []).append((str(timeframe), one))
        for kind, where in (kinds or {rule.section: []}).items():
            found.append(
                Listed(kind=kind, rule=rule.section, summary=rule.summary, inputs=rule.inputs, judged=_alike(where))
            )
    return found


def _alike(where: list[tuple[str, Ready]]) -> list[Judging]:
    """Put timeframes of the same thresholds together."""
    found: list[Judging] = []
    for timeframe, one in where:
        for known in found:
            if (known.warm_up, known.thresholds) == (one.warm_up, one.thresholds):
                known.timeframes.append(timeframe)
                break
        else:
            found.append(Judging(timeframes=[timeframe], warm_up=one.warm_up, thresholds=one.thresholds))
    return found
