"""The settings of signals: whose thresholds are in force where, and what a wrong one is answered with."""

from pathlib import Path

import pytest

from gapless.config import commented, load
from gapless.derive.signals import RULES, ready
from gapless.derive.signals.settings import (
    PatternSettings,
    ReversalSettings,
    SignalSettings,
    Thresholds,
    check,
    thresholds,
    timeframes,
)
from gapless.errors import BadInput, UnknownName
from gapless.model import Timeframe, parse_timeframe


def signals(*sets: str, file: Path = Path("/nonexistent/gapless.toml")) -> SignalSettings:
    return load(sets=[f"signals.{text}" for text in sets], environ={}, file=file).signals


def kinds(settings: SignalSettings, timeframe: str) -> set[str]:
    return {one.kind.partition(".")[0] for one in ready(settings, parse_timeframe(timeframe))}


def test_by_default_every_minute_and_all_59_derived_timeframes_are_judged():
    plain = signals()
    assert plain == SignalSettings()
    assert timeframes(plain) == tuple(map(Timeframe, range(1, 61)))
    assert all("reversal" in kinds(plain, f"{n}m") for n in range(1, 61))
    assert [n for n in range(1, 61) if "pattern" in kinds(plain, f"{n}m")] == [5, 15, 30, 60]
    assert [n for n in range(1, 61) if "volume_spike" in kinds(plain, f"{n}m")] == [1]
    assert kinds(plain, "4h") == set()


def test_a_timeframe_of_its_own_reaches_its_rule_alone():
    own = signals('timeframes=["1m", "4h"]', 'patterns.timeframes=["1d"]')
    assert [kinds(own, text) for text in ("1m", "4h", "1d")] == [
        {"reversal", "volume_spike"},
        {"reversal"},
        {"pattern"},
    ]
    assert [str(timeframe) for timeframe in timeframes(own)] == ["1m", "240m", "1d"]


def test_what_is_switched_off_is_not_judged():
    assert kinds(signals("enabled=false"), "5m") == set()
    assert kinds(signals("reversal.enabled=false"), "5m") == {"pattern"}
    assert kinds(signals("patterns.enabled=false"), "5m") == {"reversal"}
    assert kinds(signals("volume_spike.enabled=false"), "1m") == {"reversal"}
    assert kinds(signals("at.5m.reversal.enabled=false"), "5m") == {"pattern"}


def test_a_threshold_of_one_timeframe_leaves_all_others_as_they_were():
    own = signals("reversal.body_percent=30", "at.15m.reversal.min_risk_percent=0.4", "at.1h.patterns.context_bars=3")
    assert thresholds(own, Timeframe(15)).reversal == ReversalSettings(body_percent=30, min_risk_percent=0.4)
    assert thresholds(own, Timeframe(14)).reversal == ReversalSettings(body_percent=30)
    assert thresholds(own, Timeframe(60)).patterns == PatternSettings(context_bars=3)
    assert thresholds(own, Timeframe(60)).reversal == ReversalSettings(body_percent=30)


def test_the_file_may_hold_what_is_set_for_one_timeframe(tmp_path):
    file = tmp_path / "gapless.toml"
    file.write_text('[signals.reversal]\ntimeframes = ["15m"]\n[signals.at.15m.reversal]\nmin_risk_percent = 1\n')
    own = signals("at.15m.reversal.body_percent=20", file=file)
    assert thresholds(own, Timeframe(15)).reversal == ReversalSettings(
        timeframes=("15m",), body_percent=20, min_risk_percent=1
    )


def test_the_commented_settings_show_every_section_with_its_defaults(tmp_path):
    file = tmp_path / "gapless.toml"
    file.write_text(commented(()))
    assert signals(file=file) == SignalSettings()
    for section in ("[signals]", "[signals.reversal]", "[signals.patterns]", "[signals.volume_spike]"):
        assert section in file.read_text().splitlines()


WRONG = {
    "min_prof=x": "there is no setting signals.min_prof; allowed are .* did you mean min_proof",
    "reversal.body=3": "there is no setting signals.reversal.body; allowed are signals.reversal.enabled, .*",
    "at.15m.reversl.body_percent=3": "there is no setting signals.at.15m.reversl; .* did you mean reversal",
    "at.15m.reversal.min_risk=1": "there is no setting signals.at.15m.reversal.min_risk; .* did you mean min_risk_",
    "at.15m.volume_spike.z=3": "there is no setting signals.at.15m.volume_spike; allowed are signals.at.15m.reversal",
    "at.15m.reversal.min_risk_percent=much": "signals.at.15m.reversal.min_risk_percent: Expected `float`, got `str`$",
    "at.15m=3": "signals.at.15m: Expected `object`, got `int`",
    "at=3": "signals.at: Expected `object`, got `int`",
    "reversal=3": "signals.reversal: Expected `object`, got `int`",
    "enabled=perhaps": "signals.enabled: Expected `bool`, got `str`$",
    "min_proof=partial": "signals.min_proof: 'partial' is not allowed; allowed are official, repaired, proven$",
    'timeframes=["5x"]': "signals.timeframes: '5x' is no timeframe; allowed are 1m to 1440m, ",
    "at.15x.reversal.body_percent=3": "signals.at.15x: '15x' is no timeframe; allowed are ",
    "at.4h.reversal.body_percent=3": "signals.at.4h: nothing is judged on 4h; allowed are 1m, 2m, ",
    'at.15m.reversal.timeframes=["5m"]': "signals.at.15m.reversal.timeframes is not allowed; signals.reversal.t",
    "reversal.body_percent=101": "signals.reversal.body_percent: 101 is not allowed; allowed are 0 to 100$",
    "reversal.body_percent=2.5": "signals.reversal.body_percent: Expected `int`, got `float`$",
    "reversal.min_risk_percent=nan": "signals.reversal.min_risk_percent: nan is not allowed; allowed are 0 to 100$",
    "at.5m.reversal.long_tail_percent=-1": "signals.at.5m.reversal.long_tail_percent: -1 is not allowed; allowed are",
    'patterns.names=["hamer"]': "signals.patterns.names: 'hamer' is not allowed; .*did you mean hammer",
    "patterns.context_bars=501": "signals.patterns.context_bars: 501 is not allowed; allowed are 0 to 500$",
    "volume_spike.rule=zscore": "signals.volume_spike.rule: 'zscore' is not allowed; allowed are robust, ratio$",
    "volume_spike.threshold=inf": "signals.volume_spike.threshold: inf is not allowed; allowed are 0.1 to 1000$",
    "volume_spike.rearm=0": "signals.volume_spike.rearm: 0.* is not allowed; allowed are 0.1 to 1000$",
    "volume_spike.window_minutes=0": "signals.volume_spike.window_minutes: 0 is not allowed; allowed are 1 to 60$",
    "volume_spike.windows_min=289": "signals.volume_spike.windows_min: 289 is not allowed; allowed are 1 to 288$",
    "volume_spike.windows_max=0": "signals.volume_spike.windows_max: 0 is not allowed; allowed are 1 to 2016$",
    "volume_spike.episode_minutes=4": "signals.volume_spike.episode_minutes: 4 is not allowed; allowed are 5 to 1440$",
    "volume_spike.min_trades=-1": "signals.volume_spike.min_trades: -1 is not allowed; allowed are 0 to 1000000$",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_setting_is_named_with_what_is_allowed(text):
    with pytest.raises(BadInput, match=WRONG[text]) as caught:
        signals(text)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, UnknownName) == str(caught.value).startswith("there is no setting")


def test_a_timeframe_named_twice_is_refused():
    with pytest.raises(BadInput, match=r"signals.at.1h: the timeframe is named twice"):
        check(SignalSettings(at={"1h": Thresholds(), "60m": Thresholds()}))


def test_an_error_for_all_is_not_told_as_that_of_one_timeframe():
    with pytest.raises(BadInput, match=r"^signals.reversal.body_percent: Expected"):
        signals("at.15m.reversal.min_risk_percent=1", "reversal.body_percent=big")


def test_every_rule_has_a_section_a_sentence_and_its_inputs():
    fields = set(SignalSettings.__struct_fields__)
    assert {rule.section for rule in RULES} == fields - {"enabled", "timeframes", "min_proof", "at"}
    assert all(rule.summary and rule.inputs for rule in RULES)
