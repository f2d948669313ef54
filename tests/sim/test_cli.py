"""`gapless sim` as people and programs start it."""

import json
import signal
import subprocess
import sys
import urllib.request

import pytest

COMMAND = [sys.executable, "-c", "import typer; from gapless.cli.sim import sim; typer.run(sim)"]


def start(*words):
    return subprocess.Popen([*COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_json_line_says_where_it_listens_and_a_signal_ends_it(tmp_path, number):
    process = start("--json", "--instruments", "2", "--journal", str(tmp_path / "journal"))
    where = json.loads(process.stdout.readline())
    assert where == {
        "url": where["url"],
        "venue": "binance",
        "symbols": ["BTCUSDT", "ETHUSDT"],
        "api_key": "sim-key",
    }
    with urllib.request.urlopen(where["url"] + "/fapi/v1/time") as reply:
        assert json.load(reply)["serverTime"] == 1767787200000
    process.send_signal(number)
    out, err = process.communicate(timeout=10)
    assert (out, err, process.returncode) == ("", "", 0)
    lines = (tmp_path / "journal").read_text().splitlines()
    assert [json.loads(line)["t"] for line in lines] == ["start", "request"]


def test_people_are_told_the_line_that_joins_it():
    process = start("--venue", "binance-spot", "--instruments", "1", "--at", "2026-03-01T00:00")
    told = ""
    while "--set" not in told:
        told += process.stdout.readline()
    process.terminate()
    process.communicate(timeout=10)
    url = next(word for word in told.split() if word.startswith("http")).removesuffix("/api/v3")
    line = (
        "gapless run binance-spot:BTCUSDT --set venues.binance-spot.environment=sim "
        f"--set venues.binance-spot.sim_url={url}"
    )
    assert line in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--venue", "binanse"], "unknown venue 'binanse' (did you mean 'binance'?)"),
        (["--capture", "nowhere.gz"], "capture nowhere.gz: cannot be read"),
        (["--faults", "strom"], "unknown faults 'strom' (did you mean 'storm'?)"),
        (["--speed", "0"], "speed 0 is not allowed"),
        (["--instruments", "0"], "instruments 0 is not allowed"),
        (["--at", "soon"], "time 'soon' cannot be read"),
    ],
)
def test_wrong_input_is_one_sentence_and_status_2(words, told):
    process = start(*words)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 2
    assert out == ""
    assert told in err
    assert len(err.splitlines()) == 1


def test_a_port_in_use_is_status_3():
    first = start("--json", "--instruments", "1")
    port = json.loads(first.stdout.readline())["url"].rpartition(":")[2]
    second = start("--port", port)
    _, err = second.communicate(timeout=20)
    first.terminate()
    first.communicate(timeout=10)
    assert second.returncode == 3
    assert port in err
