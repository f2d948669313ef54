"""The reversal candle: a small body at one end of the bar, a long tail at the other, confirmed by the footprint."""

from fractions import Fraction
from typing import Literal, NamedTuple

from gapless.derive.signals.settings import (
    ReversalSettings,
    SignalSettings,
    exact,
    judged,
    least_proof,
    numbers_of,
    thresholds,
)
from gapless.derive.signals.spec import Ready, Rule, Window, usable
from gapless.model import Candle, Proof, State, Timeframe
from gapless.model.number import plain, rounded
from gapless.model.signal import Fact, Signal

KIND = "reversal"


def ready(settings: SignalSettings, timeframe: Timeframe) -> tuple[Ready, ...]:
    """Bind the rule to what is in force for a timeframe."""
    own = thresholds(settings, timeframe).reversal
    if not judged(settings, own, timeframe):
        return ()
    least, risk, limits = least_proof(settings), exact(own.min_risk_percent), numbers_of(own)

    def judge(window: Window) -> Signal | None:
        bar = window.bars[-1]
        if bar.state is not State.TRADED or not usable(bar, least):
            return None
        side = side_of(bar, own, risk)
        return _signal(window, turned(bar, side), side, limits) if side else None

    return (Ready(kind=KIND, bars=1, warm_up=1, thresholds=limits, judge=judge),)


class Shape(NamedTuple):
    """A bar's prices, their signs turned for a fall, so that what holds for a rise holds for its mirror."""

    open: int
    high: int
    low: int
    close: int


def turned(bar: Candle, side: int) -> Shape:
    """Give the prices of a bar that is judged as a rise (1) or as a fall (-1)."""
    opened, high, low, close = bar.open or 0, bar.high or 0, bar.low or 0, bar.close or 0
    return Shape(opened, high, low, close) if side > 0 else Shape(-opened, -low, -high, -close)


def side_of(bar: Candle, settings: ReversalSettings, risk: Fraction) -> Literal[-1, 0, 1]:
    """Give the side of a reversal: 1 for a rise, -1 for a fall, 0 for none. `risk` is the floor in per cent."""
    opened, high, low, close = turned(bar, 1)
    length, body = high - low, close - opened
    if length <= 0 or low <= 0 or 100 * abs(body) >= settings.body_percent * length:
        return 0
    if body >= 0 and _rises(Shape(opened, high, low, close), settings) and _risks(close - low, close, risk):
        return 1
    if body <= 0 and _rises(Shape(-opened, -low, -high, -close), settings) and _risks(high - close, close, risk):
        return -1
    return 0


def _rises(shape: Shape, settings: ReversalSettings) -> bool:
    length, upper, lower = shape.high - shape.low, shape.high - shape.close, shape.open - shape.low
    return (
        upper < lower
        and 100 * upper <= settings.short_tail_percent * length
        and 100 * lower >= settings.long_tail_percent * length
        and 2 * shape.open >= shape.high + shape.low
    )


def _risks(distance: int, price: int, risk: Fraction) -> bool:
    return 100 * distance * risk.denominator >= risk.numerator * price


def _signal(window: Window, shape: Shape, side: Literal[-1, 1], limits: dict[str, Fact]) -> Signal:
    length, close, digits = shape.high - shape.low, shape.close * side, window.price_digits
    tails = shape.high - shape.close, shape.open - shape.low
    upper, lower = tails if side > 0 else tails[::-1]
    values: dict[str, Fact] = {
        "body_percent": rounded(100 * (shape.close - shape.open), length),
        "upper_tail_percent": rounded(100 * upper, length),
        "lower_tail_percent": rounded(100 * lower, length),
        "stop": plain(shape.low * side, digits),
        "risk_percent": rounded(100 * (shape.close - shape.low), close, 4),
    }
    facts, score = _confirmation(window, shape, side)
    values |= facts
    values |= {f"threshold_{name}": value for name, value in limits.items()}
    return Signal(kind=KIND, side=side, price=plain(close, digits), score=score, values=values)


def _confirmation(window: Window, shape: Shape, side: Literal[-1, 1]) -> tuple[dict[str, Fact], float | None]:
    """Hold the footprint against the bar: `valid` is yes, no, or None with the reason; only what is valid has a score.

    The value area's near edge is VAH for a rise, VAL for a fall; rows are told by their lowest tick.
    """
    found = window.footprint()
    if found is None:
        return {"valid": None, "reason": "no trades of the bar are held"}, None
    formed, proof = found
    near = formed.vah if side > 0 else formed.val
    if proof < Proof.REPAIRED:
        return {"valid": None, "reason": f"the footprint is {proof.text}; at least repaired is needed"}, None
    if formed.poc is None or near is None:
        return {"valid": None, "reason": "the footprint has no trades"}, None
    poc, edge = formed.poc * side, near * side
    facts: dict[str, Fact] = {
        "poc": plain(formed.poc, window.price_digits),
        "vah" if side > 0 else "val": plain(near, window.price_digits),
        "ticks_per_row": formed.ticks_per_row,
        "footprint_proof": proof.text,
    }
    if not (shape.low < edge < shape.open and poc < edge):
        return facts | {"valid": False}, None
    width = edge - shape.low
    score = rounded(10 * width - 9 * (poc - shape.low), width)
    return facts | {"valid": True}, min(10.0, max(1.0, score))


RULE = Rule(
    section=KIND,
    summary="a small body at one end of the bar and a long tail at the other, confirmed by the footprint",
    inputs="the bar, its footprint",
    ready=ready,
)
