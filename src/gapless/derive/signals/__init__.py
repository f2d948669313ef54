"""Signals: rules that judge closed bars, each one pure function of a window.

A rule is one module with a `RULE`, one section of the settings, and one line here.
"""

from gapless.derive.signals import patterns, reversal, spike
from gapless.derive.signals.settings import SignalSettings
from gapless.derive.signals.spec import Ready, Rule, Window
from gapless.model import Timeframe

RULES: tuple[Rule, ...] = (reversal.RULE, patterns.RULE, spike.RULE)


def ready(settings: SignalSettings, timeframe: Timeframe) -> tuple[Ready, ...]:
    """Give every rule that is judged on a timeframe, bound to its thresholds."""
    return tuple(one for rule in RULES for one in rule.ready(settings, timeframe))


__all__ = ["RULES", "Ready", "Rule", "Window", "ready"]
