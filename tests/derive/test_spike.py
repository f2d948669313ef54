"""Volume spikes: against a machine that keeps its state, on a flow in which nothing happens, an alert an episode."""

from fractions import Fraction
from statistics import median

import pytest
from bench.markets import MONTHS, Market, judged, recorded, stationary, window
from msgspec.structs import replace

from gapless.derive.candles import fold
from gapless.derive.signals import ready
from gapless.derive.signals.settings import SignalSettings, SpikeSettings
from gapless.model import MINUTE, MINUTE_1, Candle, Proof, State, Timeframe

M5 = Timeframe(5)


def rule(least="official", **own):
    (found,) = (
        one
        for one in ready(SignalSettings(volume_spike=SpikeSettings(**own), min_proof=least), MINUTE_1)
        if one.kind == "volume_spike"
    )
    return found


def kept(minutes: list[Candle], own: SpikeSettings) -> list[tuple]:
    """Judge minutes in order with the state that the definition speaks of, by another arithmetic."""
    width, slots = own.window_minutes, []
    for day in range(0, len(minutes), 1_440):
        for first in range(0, 1_440 - width + 1, width):
            part = minutes[day + first : day + first + width]
            whole = len(part) == width and all(bar.proof >= Proof.OFFICIAL for bar in part)
            slots.append((day + first + width, sum(bar.volume for bar in part) if whole else None))
        if 1_440 % width:
            slots.append((day + 1_440, None))
    told, armed, peak = [], True, Fraction(0)
    for number in range(width - 1, len(minutes)):
        trailing = minutes[number + 1 - width : number + 1]
        if any(bar.proof < Proof.OFFICIAL for bar in trailing):
            continue
        ended = [volume for end, volume in slots if end <= number + 1 - width][-own.windows_max :]
        windows = [volume for volume in ended if volume is not None]
        if len(windows) < (own.windows_min if own.rule == "robust" else own.baseline_min) or not sum(windows):
            continue
        volume = sum(bar.volume for bar in trailing)
        ratio = Fraction(volume * len(windows), sum(windows))
        loud = ratio > Fraction(3, 2)
        if loud and own.rule == "robust":
            middle = median(2 * one for one in windows)
            mad = Fraction(median(abs(2 * one - middle) for one in windows))
            loud = sum(bar.trades for bar in trailing) >= own.min_trades
            loud = loud and (not mad or Fraction("0.6745") * Fraction(2 * volume - middle) / mad >= Fraction(7, 2))
        if armed and loud:
            told.append((number, None))
            armed, peak = False, ratio
        elif not armed and ratio < Fraction(6, 5):
            told.append((number, round(float(peak), 6)))
            armed = True
        elif not armed:
            peak = max(peak, ratio)
    return told


@pytest.fixture(scope="module")
def month(real_data) -> Market:
    """Three days of a recorded month with three kinds of minutes that cannot be looked at."""
    found = recorded(real_data / MONTHS[0])
    minutes = found.minutes[: 3 * 1_440]
    for number in (1_000, 1_001, 2_003, 2_500, 3_333):
        minutes[number] = Candle(start=minutes[number].start)
    for number in (1_700, 2_900):
        minutes[number] = replace(minutes[number], proof=Proof.DISPUTED)
    return found._replace(minutes=minutes)


@pytest.mark.parametrize("own", [{}, {"rule": "ratio"}, {"window_minutes": 7, "windows_max": 100, "min_trades": 300}])
def test_looking_back_tells_what_a_kept_state_would(month, own):
    settings = SpikeSettings(**own)
    expected = kept(month.minutes, settings)
    found = [(at, one.values.get("peak")) for at, one in judged(rule(**own), month, MINUTE_1)]
    assert [at for at, _ in found] == [at for at, _ in expected]
    for (_, peak), (_, exact) in zip(found, expected, strict=True):
        assert peak is None if exact is None else abs(peak - exact) <= 0.005
    assert len(found) > 20


def flow(per_minute: float, seed: int, busy=lambda minute: 1) -> Market:
    return stationary(per_minute, 60 * 60, seed=seed, spread=0.5, busy=busy)


@pytest.mark.parametrize(("per_minute", "seed"), [(2, 1), (8, 2), (30, 3)])
def test_a_flow_in_which_nothing_happens_raises_at_most_an_alert_in_ten_hours(per_minute, seed):
    market = flow(per_minute, seed)
    counts = [
        sum("ended" not in one.values for _, one in judged(rule(**own), market, MINUTE_1))
        for own in ({}, {"rule": "ratio"})
    ]
    assert counts[0] <= 0.1 * 60
    assert counts[0] <= counts[1]  # the ratio alone raises 103, 12 and none in these 60 hours


def test_every_burst_is_found_within_one_window_and_once():
    bursts = range(400, 3_500, 173)  # nowhere on the grid of five minutes for long
    market = flow(20, 4, lambda minute: 3 if any(at <= minute < at + 5 for at in bursts) else 1)
    found = list(judged(rule(), market, MINUTE_1))
    alerts = [at for at, one in found if "ended" not in one.values]
    assert len(alerts) == len(bursts)
    assert all(begin <= at < begin + 5 for begin, at in zip(bursts, alerts, strict=True))
    assert [("ended" in one.values) for _, one in found] == [False, True] * len(bursts)


def minutes_of(volumes, trades=10) -> list[Candle]:
    return [
        Candle(number * MINUTE, 500, 500, 500, 500, volume, trades=trades, state=State.TRADED, proof=Proof.OFFICIAL)
        for number, volume in enumerate(volumes)
    ]


def last(minutes, **own):
    one, coarse = rule(**own), list(fold(minutes, Timeframe(own.get("window_minutes", 5))))
    whole = [bar for bar in coarse if bar.state is not State.OPEN]
    return one.judge(window(Market("x", 2, 3, []), MINUTE_1, minutes, whole))


EQUAL = [20] * 120  # 24 windows of 100
UNEQUAL = ([18] * 5 + [22] * 5) * 12  # of 90 and 110: the median is 100, the MAD 10


@pytest.mark.parametrize(
    ("before", "volume", "trades", "own", "alerts"),
    [
        (EQUAL, 150, 10, {}, False),
        (EQUAL, 151, 10, {}, True),  # no MAD: ratio and trades alone
        (EQUAL, 151, 6, {}, True),
        (EQUAL, 151, 5, {}, False),
        (EQUAL, 151, 5, {"min_trades": 25}, True),
        (EQUAL, 151, 5, {"rule": "ratio"}, True),
        (EQUAL, 179, 10, {"threshold": 1.79}, False),  # as a float 1.79 x 100 is more than 179
        (EQUAL, 110, 10, {"threshold": 1.1}, False),  # and 1.1 x 100 more than 110
        (EQUAL, 111, 10, {"threshold": 1.1}, True),
        (UNEQUAL, 151, 10, {}, False),  # z 3.44
        (UNEQUAL, 152, 10, {}, True),  # z 3.51
        (UNEQUAL, 200, 10, {"z": 6.745}, True),  # exactly
        (UNEQUAL, 199, 10, {"z": 6.745}, False),
        (UNEQUAL, 151, 10, {"rule": "ratio"}, True),
        (EQUAL[5:], 300, 10, {}, False),  # 23 windows
        (EQUAL[:60], 300, 10, {"rule": "ratio"}, True),
        (EQUAL[:55], 300, 10, {"rule": "ratio"}, False),
        ([0] * 120, 300, 10, {}, False),  # no ratio to nothing
        ([200] * 5 + EQUAL[5:], 150, 10, {"windows_min": 23, "windows_max": 23}, False),
        ([200] * 5 + EQUAL, 151, 10, {"windows_max": 24}, True),  # what is older does not count
        ([200] * 5 + EQUAL, 151, 10, {}, False),
    ],
)
def test_both_sides_of_every_threshold_are_judged_exactly(before, volume, trades, own, alerts):
    found = last(minutes_of([*before, 0, 0, 0, 0, volume], trades), **own)
    assert (found is not None) == alerts


def test_an_alert_and_its_end_tell_what_they_rest_on():
    loud = minutes_of([*UNEQUAL, 40, 40, 40, 40, 40])
    found = last(loud)
    assert (found.kind, found.side, found.price, found.score) == ("volume_spike", 0, "5.00", None)
    shared = {
        "baseline": "0.100", "windows": 24, "trades": 50, "rule": "robust", "threshold": 1.5, "window_minutes": 5,
        "threshold_rearm": 1.2, "threshold_z": 3.5, "threshold_min_trades": 30, "threshold_windows_min": 24,
        "threshold_windows_max": 288, "threshold_baseline_min": 12, "threshold_episode_minutes": 240,
    }  # fmt: skip
    # z is 6.745, of which a half goes to the even digit
    assert found.values == {"volume": "0.200", "ratio": 2.0, "z": 6.74, **shared}
    ended = last(minutes_of([*UNEQUAL, 40, 40, 40, 40, 40, 39, 2, 2, 2]))
    assert ended.values == {
        "volume": "0.085", "ratio": 0.85, "z": -1.01, **shared,
        "ended": True, "began": "1970-01-01T02:04:00Z", "peak": 2.0, "peak_volume": "0.200",
    }  # fmt: skip


def episode(*volumes) -> list[str | None]:
    """Say what is told at each of some minutes that follow 24 equal windows and a quiet one."""
    minutes = minutes_of([*EQUAL, *[20] * 5, *volumes])
    told = []
    for end in range(126, len(minutes) + 1):
        found = last(minutes[:end])
        told.append(found and ("end" if "ended" in found.values else "alert"))
    return told


def test_an_episode_is_told_once_at_its_beginning_and_once_at_its_end():
    assert episode(80, 80, 80, 20, 20, 20, 20, 20, 20) == ["alert", *[None] * 6, "end", None]


def test_a_ratio_at_the_border_goes_on_with_the_episode():
    at_border = [90, 20, 20, 20, 20, 40, 20, 20, 20]  # 170, then 120: 1.2 exactly
    assert episode(*at_border) == ["alert", *[None] * 8]
    assert episode(*at_border[:5], 39) == ["alert", *[None] * 4, "end"]
    assert episode(*at_border, 90) == ["alert", *[None] * 9]  # the same episode still
    assert episode(*at_border[:5], 39, 90) == ["alert", *[None] * 4, "end", "alert"]


def test_a_minute_that_cannot_be_told_is_passed_and_neither_ends_nor_begins():
    minutes = minutes_of([*EQUAL, *[20] * 5, 90, *[20] * 8])
    assert last(minutes[:126])
    minutes[127] = Candle(start=minutes[127].start)
    assert [last(minutes[:end]) for end in range(128, 133)] == [None] * 5
    assert "ended" in last(minutes[:133]).values
    minutes[127] = replace(minutes[126], start=minutes[127].start, proof=Proof.DISPUTED)
    assert last(minutes[:131]) is None


def test_a_window_with_a_bad_minute_is_left_out_of_the_baseline():
    minutes = minutes_of([*EQUAL, 0, 0, 0, 0, 300])
    assert last(minutes)
    minutes[60] = Candle(start=minutes[60].start)
    assert last(minutes) is None  # 23 are left
    assert last(minutes, windows_min=23).values["windows"] == 23


def test_an_episode_is_looked_for_only_so_far_back():
    loud = minutes_of([*EQUAL, *[20] * 5, *[60] * 30])
    assert last(loud) is None
    quiet_since = minutes_of([*EQUAL, *[20] * 5, 90, *[26] * 10, 60])
    assert last(quiet_since) is None
    assert last(quiet_since, episode_minutes=5)


def test_only_minutes_are_judged():
    assert not [
        one for n in range(2, 61) for one in ready(SignalSettings(), Timeframe(n)) if one.kind == "volume_spike"
    ]
    assert (rule().bars, rule().coarse) == (245, (M5, 338))
