"""The reversal candle: both sides of every threshold, its mirror, its score, and when it says nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gapless.derive.signals import Window, ready
from gapless.derive.signals.settings import ReversalSettings, SignalSettings
from gapless.model import Candle, Origin, Proof, State, Timeframe
from gapless.model.footprint import Footprint
from gapless.model.signal import Signal

M15 = Timeframe(15)
BUY = (10_800, 11_000, 10_000, 10_980)  # range 1,000: body 18 %, upper tail 2 %, lower tail 80 %


def bar(prices, **changes) -> Candle:
    opened, high, low, close = prices
    plain = Candle(
        start=0, open=opened, high=high, low=low, close=close, volume=1, trades=1, state=State.TRADED,
        origin=Origin.VENUE, proof=Proof.OFFICIAL,
    )  # fmt: skip
    return replace(plain, **changes)


def judged(candle: Candle, footprint=lambda: None, settings=None, **own) -> Signal | None:
    settings = settings or SignalSettings(reversal=ReversalSettings(**own))
    window = Window(
        instrument="binance:BTCUSDT", price_digits=2, size_digits=3, tick=1, timeframe=M15, bars=[candle],
        footprint=footprint,
    )  # fmt: skip
    (rule,) = (one for one in ready(settings, M15) if one.kind == "reversal")
    assert rule.bars == 1
    return rule.judge(window)


def mirrored(prices, around=40_000):
    opened, high, low, close = prices
    return around - opened, around - low, around - high, around - close


WIDE = {"body_percent": 100, "short_tail_percent": 50}
TABLE = {
    "the body is below 23 %": ({}, (10_771, 11_000, 10_000, 11_000), (10_770, 11_000, 10_000, 11_000)),
    "so it is where shares do not divide": ({}, (10_060, 10_077, 10_000, 10_077), (10_059, 10_077, 10_000, 10_077)),
    "the body's threshold is a setting": ({"body_percent": 40}, (10_601, 11_000, 10_000, 11_000),
                                          (10_600, 11_000, 10_000, 11_000)),
    "the short tail is at most 5 %": ({}, (10_800, 11_000, 10_000, 10_950), (10_800, 11_000, 10_000, 10_949)),
    "the long tail is at least its share": ({**WIDE, "long_tail_percent": 60}, (10_600, 11_000, 10_000, 10_999),
                                            (10_599, 11_000, 10_000, 10_999)),
    "the long tail is the longer one": (WIDE, (10_501, 11_000, 10_000, 10_501), (10_500, 11_000, 10_000, 10_500)),
    "the body lies in its half": (WIDE, (10_500, 11_000, 10_000, 10_999), (10_499, 11_000, 10_000, 10_999)),
    "the close is on the side of the rise": ({}, (10_980, 11_000, 10_000, 10_980), (10_981, 11_000, 10_000, 10_980)),
    "there is a range": ({}, (10_001, 10_001, 10_000, 10_001), (10_000, 10_000, 10_000, 10_000)),
}  # fmt: skip


@pytest.mark.parametrize("what", TABLE)
def test_both_sides_of_every_threshold_are_judged_exactly(what):
    own, inside, outside = TABLE[what]
    assert judged(bar(inside), **own).side == 1
    assert judged(bar(outside), **own) is None
    assert judged(bar(mirrored(inside)), **own).side == -1
    assert judged(bar(mirrored(outside)), **own) is None


@pytest.mark.parametrize(
    ("floor", "prices", "side"),
    [
        (0.4, (25_000, 25_000, 24_900, 25_000), 1),  # 100 of 25,000 is 0.4 % exactly
        (0.4, (25_000, 25_000, 24_901, 25_000), 0),
        (0.4, (25_000, 25_100, 25_000, 25_000), -1),
        (0.4, (25_000, 25_099, 25_000, 25_000), 0),
        (0.3, (10_000, 10_000, 9_970, 10_000), 1),  # as a float 0.3 % of 10,000 is not 30
        (0.3, (10_000, 10_000, 9_971, 10_000), 0),
        (0.7, (10_000, 10_070, 10_000, 10_000), -1),
        (0.7, (10_000, 10_069, 10_000, 10_000), 0),
        (0.0, (10_000, 10_000, 9_999, 10_000), 1),
    ],
)
def test_the_floor_on_risk_is_judged_exactly_at_its_border(floor, prices, side):
    found = judged(bar(prices), min_risk_percent=floor)
    assert (found.side if found else 0) == side


@given(st.tuples(*[st.integers(0, 60)] * 4), st.integers(0, 100), st.integers(0, 60), st.integers(0, 100))
def test_a_fall_is_the_mirror_of_a_rise(numbers, body, short, long):
    low, a, b, high = sorted(numbers)
    own = {"body_percent": body, "short_tail_percent": short, "long_tail_percent": long}
    for opened, close in ((a, b), (b, a)):
        prices = (1_000 + opened, 1_000 + high, 1_000 + low, 1_000 + close)
        one, other = judged(bar(prices), **own), judged(bar(mirrored(prices, 2_060)), **own)
        assert (one.side if one else 0) == -(other.side if other else 0)
        if one and other:
            assert one.values["lower_tail_percent"] == other.values["upper_tail_percent"]


def footprint(poc, *, vah=None, val=None, proof=Proof.REPAIRED):
    formed = Footprint(tick=1, ticks_per_row=1, rows_per_step=1, thresholds={}, poc=poc, val=val, vah=vah)
    return lambda: (formed, proof)


SCORES = [
    (10_000, 10_500, True, 10.0),  # the point of control at the low
    (10_250, 10_500, True, 5.5),
    (10_499, 10_500, True, 1.02),
    (10_001, 10_008, True, 8.88),  # 8.875: a half goes to the even digit
    (10_003, 10_008, True, 6.62),  # 6.625
    (10_100, 10_799, True, 8.87),
    (9_999, 10_500, True, 10.0),  # below the bar's low by the border rule: not above 10
    (10_100, 10_800, False, None),  # the body's low is not above the value area
    (10_500, 10_500, False, None),  # the point of control is not below it
    (10_600, 10_500, False, None),
]


@pytest.mark.parametrize(("poc", "vah", "valid", "score"), SCORES)
def test_the_footprint_confirms_and_scores(poc, vah, valid, score):
    found = judged(bar(BUY), footprint(poc, vah=vah, val=9_000))
    assert (found.values["valid"], found.score) == (valid, score)
    mirror = judged(bar(mirrored(BUY)), footprint(40_000 - poc, val=40_000 - vah, vah=39_000))
    assert (mirror.values["valid"], mirror.score, mirror.side) == (valid, score, -1)


def test_a_signal_tells_what_it_rests_on():
    found = judged(bar(BUY), footprint(10_250, vah=10_500, val=10_100, proof=Proof.PROVEN), min_risk_percent=0.4)
    assert found == Signal(
        kind="reversal", side=1, price="109.80", score=5.5,
        values={
            "body_percent": 18.0, "upper_tail_percent": 2.0, "lower_tail_percent": 80.0, "stop": "100.00",
            "risk_percent": 8.9253, "poc": "102.50", "vah": "105.00", "ticks_per_row": 1,
            "footprint_proof": "proven", "valid": True, "threshold_body_percent": 23,
            "threshold_short_tail_percent": 5, "threshold_long_tail_percent": 30, "threshold_min_risk_percent": 0.4,
        },
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (lambda: None, "no trades of the bar are held"),
        (footprint(10_100, vah=10_500, proof=Proof.DISPUTED), "the footprint is disputed; at least repaired is needed"),
        (footprint(10_100, vah=10_500, proof=Proof.PARTIAL), "the footprint is partial; at least repaired is needed"),
        (footprint(None, proof=Proof.PROVEN), "the footprint has no trades"),
    ],
)
def test_what_no_proven_footprint_confirms_is_neither_valid_nor_scored(given, reason):
    found = judged(bar(BUY), given)
    assert (found.values["valid"], found.values["reason"], found.score) == (None, reason, None)


def test_a_footprint_is_formed_only_for_a_bar_that_is_a_reversal():
    def costly():
        raise AssertionError

    assert judged(bar((10_000, 11_000, 10_000, 11_000)), costly) is None


@pytest.mark.parametrize(
    "changes",
    [{"proof": proof} for proof in (Proof.MISSING, Proof.PARTIAL, Proof.DISPUTED)]
    + [{"state": state} for state in (State.OPEN, State.EMPTY, State.MISSING, State.SYNTHETIC)],
    ids=str,
)
def test_unproven_open_empty_and_made_up_bars_are_never_judged(changes):
    assert judged(bar(BUY, **changes)) is None


def test_a_missing_bar_is_never_judged():
    assert judged(Candle(start=0)) is None


@pytest.mark.parametrize(("least", "proof", "judges"), [
    ("official", Proof.OFFICIAL, True), ("repaired", Proof.OFFICIAL, False), ("repaired", Proof.REPAIRED, True),
    ("proven", Proof.REPAIRED, False), ("proven", Proof.PROVEN, True),
])  # fmt: skip
def test_the_least_proof_is_a_setting(least, proof, judges):
    assert (judged(bar(BUY, proof=proof), settings=SignalSettings(min_proof=least)) is not None) == judges
