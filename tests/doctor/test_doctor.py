"""`gapless doctor` beside a simulated venue: honest, crooked, away, interrupted."""

import asyncio
import getpass
import json
import signal
from pathlib import Path
from typing import Any

import pytest
from living import Process, Sim, living
from msgspec.structs import replace

from gapless.cli.app import run
from gapless.collect.settings import VenueSettings
from gapless.config import Settings
from gapless.doctor.check import Asked, Check, Report
from gapless.doctor.examination import Examination
from gapless.doctor.report import as_object
from gapless.model import Instrument
from gapless.sim.options import SimOptions
from gapless.sim.server import serve
from gapless.venues.binance import BinanceHistory, BinanceStreams
from gapless.venues.binance.limits import USDM
from gapless.venues.registry import VENUES, venue
from gapless.venues.spec import Stream, StreamKind

KEY = "a-key-that-nobody-may-see"
CHECKS = [
    "python", "sqlite", "event loop", "state folder", "machine clock", "reach", "limits", "instruments", "routes",
    "clock", "stream clock", "join", "ids", "rest lag", "answers", "weights", "archive", "audit", "candles", "drift",
    "budget",
]  # fmt: skip


def doctor(folder: Path, sim: Sim, *arguments: str) -> Process:
    sets = [f"venues.{sim.venue}.environment=sim", f"venues.{sim.venue}.sim_url={sim.url}", "store.min_free=0"]
    words = [word for text in sets for word in ("--set", text)]
    return Process(folder, "doctor", "--live", sim.venue, "--json", "report.json", *words, *arguments)


def by_name(report: dict[str, Any]) -> dict[str, Any]:
    return {check["name"]: check for check in report["checks"]}


@pytest.mark.parametrize(("market", "minutes"), [("binance", 2), ("binance-spot", 0)])
def test_an_honest_venue_passes_every_check(
    market: str, minutes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAPLESS_BINANCE_API_KEY", KEY)
    sim = Sim(tmp_path, "--speed", "60", "--instruments", "4", venue=market)
    with living(sim, visit := doctor(tmp_path, sim, "--minutes", str(minutes), "--listen", "2", "--instruments", "2")):
        out, _ = visit.child.communicate(timeout=40)
        assert visit.child.returncode == 0, (out.decode(), visit.said())
    text = (tmp_path / "report.json").read_text()
    report = json.loads(text)
    checks = by_name(report)
    assert list(checks) == [name for name in CHECKS if minutes or name not in ("audit", "candles")]
    assert {check["verdict"] for check in checks.values()} == {"ok"}
    assert report["instruments"] == [f"{market}:BTCUSDT", f"{market}:ETHUSDT"]
    assert checks["weights"]["figures"]["page of trades"]["counted"] == (20 if market == "binance" else 4)
    assert checks["join"]["figures"][f"{market}:BTCUSDT agg"]["compared"] > 100
    if minutes:
        candles = checks["candles"]["figures"]
        folds = [candles[f"folds_{how}"] for how in ("equal", "counted", "border")]
        assert candles["minutes"] == candles["bars_equal"] == sum(folds) == 4
        assert candles["differences"] == []
        assert sum(candles["proofs"].values()) == 4
        assert checks["audit"]["figures"]["held"] > 100
    assert report["ended"] == "complete"
    assert KEY not in text
    assert "127.0.0.1" not in text
    assert str(tmp_path) not in text


class Misnamed(BinanceStreams, frozen=True):
    """Names the stream of quotes wrongly; the venue acknowledges what it does not know."""

    def stream(self, instrument: Instrument, kind: StreamKind, channel: str = "") -> Stream:
        right = super().stream(instrument, kind, channel)
        return replace(right, name=right.name + "x") if kind == "quote" else right


@pytest.fixture(scope="module")
def crooked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Check]:
    """The report on a venue that drops frames, tells a wrong time and halved its limit, by a table that is wrong too:
    tickers on the other route, quotes by another name, pages of trades at another price."""
    folder = tmp_path_factory.mktemp("crooked")
    faults = folder / "faults.toml"
    faults.write_text(
        '[limits]\nweight_limit = 1200\n[[fault]]\nkind = "drop"\nrate = 0.05\n'
        '[[fault]]\nkind = "clock_skew"\nat = 0.0\nlasts = 600\nseconds = 40\n'
    )
    market = replace(USDM, groups=USDM.groups | {"ticker": "public"}, agg_weight=5)
    table = replace(venue("binance"), streams=Misnamed(market), history=BinanceHistory(market))

    async def visit() -> Report:
        stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
        options = SimOptions(speed=30, instruments=2, faults=str(faults))
        serving = asyncio.create_task(serve(options, ready.set_result, stop))
        url = (await ready)["url"]
        own = VenueSettings(environment="sim", sim_url=url)
        asked = Asked(venue="binance", minutes=0, listen=2.0, instruments=["BTCUSDT", "ETH/USDT:USDT"])
        examination = Examination(asked, Silent())
        await examination.venue(asked, table, Settings(venues={"binance": own}))
        stop.set()
        await serving
        return examination.report

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAPLESS_STATE", str(folder))
        report = asyncio.run(visit())
    assert report.status == 1
    return {check.name: check for check in report.checks}


class Silent:
    """Tells nobody."""

    def found(self, check: Check) -> None:
        pass

    def progress(self, what: str, done: float, total: float) -> None:
        pass


def test_a_family_on_the_wrong_route_is_named_with_the_route_that_delivers_it(crooked: dict[str, Check]) -> None:
    assert crooked["routes"].verdict == "differs"
    names = "btcusdt@ticker, ethusdt@ticker"
    assert (
        f"ticker ({names}) is acknowledged and silent on public, and delivers on market" in crooked["routes"].sentence
    )
    assert "agg" not in crooked["routes"].sentence


def test_a_family_that_no_route_delivers_is_named(crooked: dict[str, Check]) -> None:
    names = "btcusdt@bookTickerx, ethusdt@bookTickerx"
    said = f"quote ({names}) is acknowledged and silent on public, and delivers on no route"
    assert said in crooked["routes"].sentence


def test_a_clock_that_does_not_fit_the_streams_is_measured(crooked: dict[str, Check]) -> None:
    assert crooked["stream clock"].verdict == "differs"
    assert 30_000 < crooked["stream clock"].figures["rest_ahead_ms"] < 50_000


def test_a_limit_and_a_price_that_changed_are_named(crooked: dict[str, Check]) -> None:
    assert (crooked["limits"].verdict, crooked["weights"].verdict) == ("differs", "differs")
    assert crooked["limits"].figures == {"announced": 1200, "table": 2400}
    assert crooked["weights"].sentence == "page of trades counts 20, we know 5; trade at a time counts 20, we know 5"


def test_trades_that_never_came_by_stream_are_counted_twice_over(crooked: dict[str, Check]) -> None:
    assert (crooked["ids"].verdict, crooked["join"].verdict) == ("differs", "differs")
    assert crooked["ids"].figures["binance:BTCUSDT agg"]["missing"] > 0
    assert "of REST never came by stream" in crooked["join"].sentence


def test_a_venue_that_cannot_be_reached_is_one_sentence_and_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GAPLESS_STATE", str(tmp_path))
    where = ["--set", "venues.binance.environment=sim", "--set", "venues.binance.sim_url=http://127.0.0.1:9"]
    report = tmp_path / "report.json"
    assert run(["doctor", "--live", "binance", *where, "--json", str(report)]) == 3
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith("gapless: http://127.0.0.1:9/fapi/v1/exchangeInfo does not answer")
    written = json.loads(report.read_text())
    assert (written["ended"], written["exit_status"], by_name(written)["reach"]["verdict"]) == (
        "unreachable",
        3,
        "failed",
    )
    assert "127.0.0.1" not in report.read_text()


def test_while_banned_no_request_leaves_whoever_asks(tmp_path: Path) -> None:
    rest = []
    with living(sim := Sim(tmp_path, "--instruments", "1", "--faults", str(banning(tmp_path)))):
        for asked in ("banned this address", "may not be asked for another"):
            with living(visit := doctor(tmp_path, sim, "--minutes", "0", "--listen", "1")):
                assert visit.ended() == 3
                assert asked in visit.sentence()
            report = json.loads((tmp_path / "report.json").read_text())
            assert (report["ended"], by_name(report)["budget"]["verdict"]) == ("unreachable", "failed")
            rest.append(sim.state()["rest"])
    assert rest[0] == rest[1]
    assert (rest[1]["bans"], rest[1]["while_banned"]) == (1, 0)


def banning(folder: Path) -> Path:
    faults = folder / "faults.toml"
    faults.write_text('[[fault]]\nkind = "http_418"\nat = 0.0\nban_seconds = 600\n')
    return faults


def test_an_interrupted_visit_leaves_what_it_found(tmp_path: Path) -> None:
    sim = Sim(tmp_path, "--speed", "10", "--instruments", "2")
    with living(sim, visit := doctor(tmp_path, sim, "--minutes", "60", "--listen", "1")):
        assert visit.child.stdout
        said = b""
        while b"archive" not in said:
            line = visit.child.stdout.readline()
            assert line, visit.said()
            said += line
        visit.child.send_signal(signal.SIGINT)
        out, _ = visit.child.communicate(timeout=20)
        assert visit.child.returncode == 130, visit.said()
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["ended"], report["exit_status"]) == ("interrupted", 130)
    assert "weights" in by_name(report)
    assert b"interrupted; so far" in out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--live binanse", f"there is no venue 'binanse'; allowed are {', '.join(VENUES)}; did you mean binance?"),
        ("--minutes 3", f"--minutes goes with --live VENUE; venues are {', '.join(VENUES)}"),
        (
            "--live binance --instruments 31",
            "--instruments: 31 is not allowed; allowed are 1 to 30, or ids with commas",
        ),
        (
            "--live binance --instruments binance-spot:BTCUSDT",
            "--instruments: binance-spot:BTCUSDT is none of binance",
        ),
    ],
)
def test_a_mistake_is_one_sentence(words: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", *words.split()]) == 2
    assert capsys.readouterr() == ("", f"gapless: {sentence}\n")


def test_a_machine_alone_is_checked_without_asking_anybody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GAPLESS_STATE", str(tmp_path / "state"))
    assert run(["doctor", "--json", "-"]) == 0
    printed = capsys.readouterr()
    assert list(by_name(json.loads(printed.out))) == CHECKS[:5]
    assert "5 checks in" in printed.err


def test_a_report_tells_nobody_who_wrote_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "jemima")
    monkeypatch.setenv("HOME", "/home/jemima")
    sentence = (
        f"IP(203.0.113.7) banned; key {KEY} in /home/jemima/x, seen by jemima, 2001:db8::8a2e:370:7334 at "
        "2026-01-07T12:04:00Z"
    )
    text = json.dumps(as_object(Report(checks=[Check("one", "failed", sentence)]), [KEY, ""]))
    expected = "IP((address)) banned; key *** in ~/x, seen by (user), (address) at 2026-01-07T12:04:00Z"
    assert json.loads(text)["checks"][0]["sentence"] == expected
