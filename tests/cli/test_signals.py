"""`gapless signals --list`: every rule with what is in force, for people and for programs."""

import json

import pytest

from gapless.cli.app import run
from gapless.cli.signals import spanned


@pytest.fixture
def listed(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        status = run(["signals", *arguments])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return call


def test_every_kind_is_listed_with_its_timeframes_warm_up_and_thresholds(listed):
    status, out, _ = listed("--list")
    assert status == 0
    rows = [line.split() for line in out.partition("\n\n")[0].splitlines()]
    assert rows[0] == ["kind", "timeframes", "warm_up", "inputs"]
    assert rows[1] == ["reversal", "1m-60m", "1", "the", "bar,", "its", "footprint"]
    assert [row[0] for row in rows if row[0].startswith("pattern.")].count("pattern.engulfing") == 1
    assert "  1m-60m: body_percent=23 short_tail_percent=5 long_tail_percent=30 min_risk_percent=0.0\n" in out
    assert "  1m: rule=robust threshold=1.5 " in out


def test_what_a_program_reads_has_the_thresholds_in_force_on_each_timeframe(listed):
    status, out, _ = listed("--list", "--json", "--set", "signals.at.15m.reversal.min_risk_percent=0.4")
    rules = {rule["kind"]: rule for rule in json.loads(out)["rules"]}
    assert status == 0
    judged = rules["reversal"]["judged"]
    assert judged[1] == {
        "timeframes": ["15m"],
        "warm_up": 1,
        "thresholds": {
            "body_percent": 23, "short_tail_percent": 5, "long_tail_percent": 30, "min_risk_percent": 0.4,
        },
    }  # fmt: skip
    assert len(judged[0]["timeframes"]) == 59
    assert {rule["rule"] for rule in rules.values()} == {"reversal", "patterns", "volume_spike"}


def test_a_rule_that_is_off_is_told(listed):
    _, out, _ = listed("--list", "--set", "signals.volume_spike.enabled=false")
    assert out.endswith("one alert an episode\n  judged nowhere\n")


def test_a_mistake_is_one_sentence(listed):
    assert listed("--last", "3", "--start", "-1h") == (
        2,
        "",
        "gapless: --last goes alone; a range is --start and --end\n",
    )
    status, _, said = listed("--list", "--set", "signals.volume_spike.z=-1")
    assert (status, said) == (2, "gapless: signals.volume_spike.z: -1.0 is not allowed; allowed are 0 to 1000\n")


def test_minutes_in_a_row_are_written_as_one():
    assert spanned(["1m", "2m", "3m", "5m", "240m", "1d"]) == "1m-3m, 5m, 240m, 1d"
