"""`gapless run` beside a simulated venue, as processes: kills, bans, silence, signals, mistakes."""

import csv
import json
import os
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest
from living import BTC, PATIENCE, Service, Sim, ask, consistent, free_port, living, until, whole

SAME = (
    "open", "high", "low", "close", "volume", "quote_volume", "taker_buy_volume", "taker_buy_quote_volume",
)  # fmt: skip


@pytest.mark.parametrize(("venue", "stream"), [("binance", "aggTrade"), ("binance-spot", "trade")])
def test_killed_in_mid_play_while_the_market_goes_on_loses_and_doubles_nothing(
    venue: str, stream: str, tmp_path: Path
) -> None:
    store = tmp_path / "held.db"
    with living(sim := Sim(tmp_path, "--speed", "20", "--instruments", "2", venue=venue)):
        sets = (f"venues.{venue}.trades_stream={stream}", f"venues.{venue}.api_key={sim.key}")
        with living(killed := Service(sim, store, *sets)):
            killed.stored(100)
            killed.kill()
        sim.play_on(30)
        with living(again := Service(sim, store, *sets)):
            again.stored(100)
            sim.finish()
            again.settle()
            repaired = again.status()["gaps"]["ids"]
            again.child.terminate()
            assert again.ended() == 0
    tally = whole(sim, store)
    assert 50 < repaired < tally.sent["trades"] + 400


def test_a_ban_outlives_the_process_that_met_it(tmp_path: Path) -> None:
    store = tmp_path / "held.db"
    with living(sim := Sim(tmp_path, "--speed", "20", "--instruments", "1")):
        with living(first := Service(sim, store)):
            first.stored(120)
            sim.fault(kind="http_418", ban_seconds=4)
            sim.fault(kind="disconnect")
            until(lambda: sim.state()["faults"].get("http_418"), "the ban")
            until(lambda: first.status()["budgets"][0]["blocked_until"], "the block")
            first.kill()
        banned_at = time.monotonic()
        with living(again := Service(sim, store)):
            blocked = until(lambda: again.events("blocked"), "what is said of the block")
            assert blocked[0]["reason"] == "banned (HTTP 418)"
            until(lambda: again.status()["gaps"]["open"] == 0 and again.status()["store"]["rows"], "the repair")
            assert time.monotonic() - banned_at > 2
            sim.finish()
            again.settle()
            rest = sim.state()["rest"]
            assert (rest["bans"], rest["while_banned"], rest["bans_caused"]) == (1, 0, 0)
    whole(sim, store)


def test_a_stream_that_is_acknowledged_and_silent_is_found_and_cured(tmp_path: Path) -> None:
    store = tmp_path / "held.db"
    with living(sim := Sim(tmp_path, "--speed", "20", "--instruments", "1"), run := Service(sim, store)):
        run.stored(120)
        sim.fault(kind="silent", stream="aggTrade", lasts=0)
        until(lambda: sim.state()["faults"].get("silent"), "the silence")
        found = until(lambda: run.events("silent"), "the silence to be found")
        assert found[0]["stream"] == f"{sim.symbols[0].lower()}@aggTrade"
        live = run.status()["connections"]
        before = run.status()["store"]["rows"]
        run.stored(before + 60)
        assert sum(c["connects"] for c in run.status()["connections"]) == sum(c["connects"] for c in live)
        sim.finish()
        run.settle()
    whole(sim, store)


def test_one_signal_commits_and_leaves(tmp_path: Path) -> None:
    store = tmp_path / "held.db"
    sim = Sim(tmp_path, "--speed", "20", "--instruments", "2")
    with living(sim, run := Service(sim, store, "venues.binance.trades_stream=trade")):
        run.stored(100)
        limited = run.events("repair_limited")
        assert [event["subject"] for event in limited] == [f"binance:{symbol}" for symbol in sim.symbols]
        assert "venues.binance.api_key" in limited[0]["reason"]
        before = run.status()["store"]["rows"]
        began = time.monotonic()
        run.child.send_signal(signal.SIGINT)
        assert run.ended() == 0
        assert time.monotonic() - began < 5
    with sqlite3.connect(store) as connection:
        assert connection.execute("SELECT count(*) FROM trade").fetchone()[0] >= before


def test_two_signals_leave_at_once_and_the_store_is_consistent(tmp_path: Path) -> None:
    store = tmp_path / "held.db"
    with living(sim := Sim(tmp_path, "--speed", "20", "--instruments", "2")):
        with living(run := Service(sim, store)):
            run.stored(100)
            began = time.monotonic()
            run.child.send_signal(signal.SIGINT)
            run.child.send_signal(signal.SIGTERM)
            assert run.ended() in (0, 130)  # 0 where the first was done before the second came
            assert time.monotonic() - began < 2
        consistent(store)
        with living(again := Service(sim, store)):
            again.stored(50)
            sim.finish()
            again.settle()
    whole(sim, store)


def test_a_full_disk_ends_with_a_sentence_and_when_there_is_room_everything_is_repaired(tmp_path: Path) -> None:
    store = tmp_path / "held.db"

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (800_000, 800_000))

    with living(sim := Sim(tmp_path, "--speed", "100", "--instruments", "2")):
        with living(full := Service(sim, store, preexec_fn=small)):
            assert full.ended() == 3
            assert str(store) in full.sentence()
        consistent(store)
        with living(again := Service(sim, store)):
            again.stored(200)
            sim.finish()
            again.settle()
    assert whole(sim, store).sent["trades"] > 200


def test_the_book_kept_live_is_the_venues_book_at_the_same_id(tmp_path: Path) -> None:
    store = tmp_path / "held.db"
    sim = Sim(tmp_path, "--instruments", "2")
    with living(sim, run := Service(sim, store, f'collect.books=["{BTC}"]')):
        path = f"/api/v1/book?id={BTC}&depth=50"
        first = until(lambda: (b := run.ask(path)) and b["update"] and b, "the book")
        sim.play_on(3)
        sim.finish()
        truth = ask(f"{sim.url}/fapi/v1/depth?symbol=BTCUSDT&limit=1000")
        book = until(lambda: (b := run.ask(path))["update"] == truth["lastUpdateId"] and b, "the last update")
    assert book["update"] > first["update"]
    for side in ("bids", "asks"):
        assert [[float(x) for x in level] for level in book[side]] == [
            [float(x) for x in level] for level in truth[side][:50]
        ]
        assert len(book[side]) == 50


def test_what_was_recorded_replays_to_the_same_trades(tmp_path: Path) -> None:
    for name in ("lived", "played"):
        (tmp_path / name).mkdir()
    trade = "venues.binance.trades_stream=trade"
    lived, played, folder = tmp_path / "lived" / "a.db", tmp_path / "played" / "b.db", tmp_path / "frames"
    sim = Sim(tmp_path / "lived", "--speed", "20", "--instruments", "1")
    with living(sim, run := Service(sim, lived, trade, arguments=("--record", str(folder)))):
        run.stored(150)
        run.child.terminate()
        assert run.ended() == 0
    captures = [word for file in sorted(folder.iterdir()) for word in ("--capture", str(file))]
    sim = Sim(tmp_path / "played", "--speed", "60", *captures)
    with living(sim, run := Service(sim, played, trade, f"venues.binance.api_key={sim.key}")):
        until(lambda: sim.state()["ended"], "the end of the recording")
        run.settle()
    whole(sim, played)
    query = "SELECT seq, time, price, size, side, fills, first_fill FROM trade ORDER BY seq"
    rows = [sqlite3.connect(store).execute(query).fetchall() for store in (lived, played)]
    assert len(rows[0]) >= 150
    assert rows[0] == rows[1]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sim, Service]:
    """A venue and a service that stand for several tests, which leave them as they were."""
    folder = tmp_path_factory.mktemp("town")
    sim = Sim(folder, "--speed", "20", "--instruments", "2")
    run = Service(sim, folder / "held.db")
    with living(sim, run):
        run.stored(20)
        yield sim, run


def sim_sets(sim: Sim) -> list[str]:
    return ["--set", "venues.binance.environment=sim", "--set", f"venues.binance.sim_url={sim.url}"]


def outcome(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Run a command to its end: status, what it printed, what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "gapless", *arguments], capture_output=True, text=True, timeout=PATIENCE, cwd=folder,
        env={**os.environ, "GAPLESS_STATE": str(folder / "state")}, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_a_second_collector_of_the_same_tapes_is_refused(town: tuple[Sim, Service]) -> None:
    sim, run = town
    before = run.status()["store"]["rows"]
    with living(second := Service(sim, run.store)):
        assert second.ended() == 3
        assert f"already collects binance:BTCUSDT into {run.store}" in second.sentence()
    run.stored(before + 20)


def test_a_port_in_use_is_named_and_nothing_is_lost(town: tuple[Sim, Service], tmp_path: Path) -> None:
    sim, run = town
    with living(other := Service(sim, tmp_path / "other.db", port=run.port)):
        assert other.ended() == 3
        assert f"127.0.0.1:{run.port} is in use" in other.sentence()
    consistent(tmp_path / "other.db")


def test_an_unknown_instrument_is_one_sentence_and_leaves_nothing_behind(
    town: tuple[Sim, Service], tmp_path: Path
) -> None:
    sim, _ = town
    status, _, said = outcome(
        tmp_path, "run", BTC, "binance:BTCUSDX", "--store", "new.db", "--set", "serve.listen=[]", *sim_sets(sim)
    )
    assert status == 2
    assert said == "gapless: binance lists no instrument 'binance:BTCUSDX'; did you mean binance:BTCUSDT?\n"
    assert [file.name for file in tmp_path.iterdir()] == ["state"]


def test_an_address_where_nobody_listens_is_named(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # held, and not listened on
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        sets = ["--set", "venues.binance.environment=sim", "--set", f"venues.binance.sim_url={address}"]
        status, _, said = outcome(tmp_path, "run", BTC, "--set", f'serve.listen=["127.0.0.1:{free_port()}"]', *sets)
    assert status == 3
    assert said.splitlines()[-1].startswith(f"gapless: {address}/fapi/v1/exchangeInfo does not answer: ")


def test_a_backfill_is_planned_without_network_run_and_asked_for_only_once(
    town: tuple[Sim, Service], tmp_path: Path
) -> None:
    sim, _ = town
    base = ["backfill", BTC, "--start", "2026-01-07T08:00", "--end", "2026-01-07T11:00", "--store", "new.db"]
    dead = ["--set", "venues.binance.environment=sim", "--set", "venues.binance.sim_url=http://127.0.0.1:9"]
    status, planned, _ = outcome(tmp_path, *base, "--plan", "--json", *dead)
    plan = json.loads(planned)
    (one,) = plan["plans"]
    assert (status, one["requests"], one["weight"], one["items"][0]["missing"], one["weight_spent"]) == (
        0,
        1,
        2,
        180,
        0,
    )
    assert list(tmp_path.iterdir()) == []
    status, _, said = outcome(tmp_path, *base, *dead)
    assert (status, "http://127.0.0.1:9/fapi/v1/exchangeInfo does not answer" in said) == (3, True)
    status, printed, _ = outcome(tmp_path, *base, *sim_sets(sim))
    assert (status, printed.splitlines()[-1]) == (0, "180 of 180 missing minutes fetched; weight spent 4")
    before = sim.state()["rest"]["requests"]
    status, printed, _ = outcome(tmp_path, *base, *sim_sets(sim))
    assert (status, "0 of 180 minutes missing" in printed) == (0, True)
    assert sim.state()["rest"]["requests"] == before


def test_a_demonstration_does_not_go_on_in_the_store_of_another_world(tmp_path: Path) -> None:
    demo = ["demo", "--duration", "3", "--speed", "20", "--instruments", "2", "--store", "kept.db", "--json"]
    status, _, said = outcome(tmp_path, *demo)
    assert status == 0, said
    status, _, said = outcome(tmp_path, *demo, "--seed", "7")
    assert (status, "holds a demonstration with seed 1, not 7" in said) == (2, True)
    status, _, said = outcome(tmp_path, *demo)
    assert status == 0, said


@pytest.mark.parametrize("stream", ["trade", "aggTrade"])
def test_a_recorded_market_in_a_storm_is_held_as_the_exchange_told_it(
    stream: str, real_data: Path, tmp_path: Path
) -> None:
    folder = real_data / "binance-usdm"
    status, printed, said = outcome(
        tmp_path, "demo", "--capture", str(folder / "btcusdt_20240808.raw.gz"), "--speed", "40", "--faults", "storm",
        "--store", "held.db", "--json", "--set", f"venues.binance.trades_stream={stream}",
    )  # fmt: skip
    assert status == 0, (printed, said)
    assert json.loads(printed)["sent"]["trades"] == {"trade": 21_313, "aggTrade": 8_325}[stream]
    with (folder / "BTCUSDT-1m-2024-08-08T2340_2024-08-09T0010.csv").open() as file:
        official = {row["open_time"]: row for row in csv.DictReader(file)}
    for basis in ("venue", "tape") if stream == "trade" else ("venue",):
        _, table, _ = outcome(
            tmp_path, "candles", "BTCUSDT", "1m", "--store", "held.db", "--basis", basis, "--format", "csv",
            "--epoch", "ms",
        )  # fmt: skip
        rows = list(csv.DictReader(table.splitlines()))
        assert [row["proof"] for row in rows[:1]] == ["partial"]  # 23:54, of which only a part was recorded
        assert len(rows) == 6
        for row in rows[1:]:
            told = official[row["start"]]
            for ours, theirs in {"trades": "count", **{name: name for name in SAME}}.items():
                assert Decimal(row[ours]) == Decimal(told[theirs]), (row["start"], ours)


@pytest.mark.parametrize("seed", ["7"])
def test_a_storm_is_survived_whole(seed: str, tmp_path: Path) -> None:
    status, printed, said = outcome(
        tmp_path, "demo", "--duration", "12", "--faults", "storm", "--seed", seed, "--speed", "5", "--json"
    )
    result = json.loads(printed)
    assert status == 0, said
    assert (result["missing"], result["duplicated"], result["altered"], result["gaps_open"]) == (0, 0, 0, 0)
    assert sum(count > 0 for count in result["faults"].values()) >= 6
    assert (result["rest"]["bans_caused"], result["rest"]["while_banned"]) == (0, 0)
