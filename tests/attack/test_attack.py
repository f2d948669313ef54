"""The core of the attack, and that it sees what falls short."""

import json
import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from attack.__main__ import chosen_rows, main, options, play
from attack.markets import MARKETS, USUAL
from attack.measure import measure
from attack.plays import watched
from attack.row import Figures, Row
from attack.rows import every, lacking, named, rows
from attack.show import COLUMNS, cells, markdown
from attack.stage import Stage, script_text

from gapless.sim.options import SimOptions
from gapless.sim.registry import venue_of

ROOT = Path(__file__).parents[2]
CORE = ("connections", "disk_full", "rotations_short", "listed_and_delisted", "network_down")


@pytest.mark.parametrize("row", CORE)
def test_an_attack_loses_nothing_doubles_nothing_and_causes_no_ban(row: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "attack", "short", "--only", row, "--json"],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    (told,) = json.loads(done.stdout)
    assert told["shortfalls"] == [], (told, done.stderr)
    assert done.returncode == 0
    assert told["sent"] == told["held"] > 100
    assert (told["missing"], told["doubled"], told["altered"], told["gaps_open"]) == (0, 0, 0, 0)
    assert (told["bans_caused"], told["while_banned"]) == (0, 0)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """A quiet minute that was held whole."""

    def quiet(stage: Stage) -> None:
        stage.collect(rows=200)
        stage.end()

    row = Row(name="quiet", about="nothing happens", play=quiet, instruments=1, speed=60.0)
    stage = Stage(row, 1, tmp_path_factory.mktemp("quiet"), short=True, halt=threading.Event())
    try:
        quiet(stage)
    finally:
        stage.clear()
    return stage


class Tampered:
    """The files of a stage, to be falsified, and its verdict."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        for file in stage.folder.glob("held.db*"):
            shutil.copy(file, folder)
        self.journal = Path(shutil.copy(stage.sim.journal, folder))
        self.store = folder / "held.db"
        self.stage: Any = SimpleNamespace(
            folder=folder, store=self.store, sim=SimpleNamespace(journal=self.journal), row=stage.row, seed=1,
            settled_s=0.0, while_banned=0, hung_up=0, rss_mb=stage.rss_mb, faults={}, notes=[], shortfalls=[], lost={},
        )  # fmt: skip

    def sql(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.store)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    def verdict(self) -> Figures:
        return measure(self.stage)


@pytest.fixture
def tampered(played: Stage, tmp_path: Path) -> Tampered:
    return Tampered(played, tmp_path)


VERDICTS = pytest.mark.xdist_group("verdicts of the attack")  # one quiet minute serves them all
MIDDLE = "(SELECT seq FROM trade WHERE tape = 1 ORDER BY seq LIMIT 1 OFFSET 100)"


@VERDICTS
def test_what_is_whole_is_called_whole(tampered: Tampered) -> None:
    found = tampered.verdict()
    assert found.shortfalls == []
    assert found.sent == found.held > 200
    assert found.requests > 0


@VERDICTS
def test_a_lost_row_falls_short(tampered: Tampered) -> None:
    tampered.sql(f"DELETE FROM trade WHERE tape = 1 AND seq = {MIDDLE}")
    found = tampered.verdict()
    assert found.missing == 1
    assert found.shortfalls == ["1 missing and not named as permanent", "1 missing"]


@VERDICTS
def test_an_altered_row_falls_short(tampered: Tampered) -> None:
    tampered.sql(f"UPDATE trade SET price = price + 1 WHERE tape = 1 AND seq = {MIDDLE}")
    assert tampered.verdict().shortfalls == ["1 altered"]


@VERDICTS
def test_a_hole_that_is_open_falls_short_though_nothing_is_missing(tampered: Tampered) -> None:
    tampered.sql("DELETE FROM coverage WHERE tape = 1")
    assert tampered.verdict().shortfalls == ["1 open holes"]


@VERDICTS
def test_a_hole_called_permanent_of_what_is_held_falls_short(tampered: Tampered) -> None:
    tampered.sql(
        "INSERT INTO gap SELECT 1, min(first), max(last), 1, NULL, 'jump', 'permanent', '' FROM wanted WHERE tape = 1",
        "DELETE FROM coverage WHERE tape = 1",
    )
    found = tampered.verdict()
    assert found.permanent > 0
    assert found.shortfalls == [f"{found.permanent} named as permanent and not missing"]


@VERDICTS
def test_a_hole_that_is_named_must_be_the_one_that_was_made(tampered: Tampered) -> None:
    with closing(sqlite3.connect(tampered.store)) as connection:
        (seq,) = connection.execute(f"SELECT {MIDDLE}").fetchone()
    tampered.sql(
        f"DELETE FROM trade WHERE tape = 1 AND seq = {seq}",
        f"INSERT INTO gap VALUES (1, {seq}, {seq}, 1, NULL, 'jump', 'permanent', 'gone')",
        f"INSERT INTO coverage SELECT tape, {seq} + 1, last, evidence, known_at FROM coverage "
        f"WHERE tape = 1 AND first <= {seq} AND last > {seq}",
        f"UPDATE coverage SET last = {seq} - 1 WHERE tape = 1 AND first <= {seq} AND last >= {seq}",
    )
    symbol = "BTCUSDT agg"
    tampered.stage.row = Row(name="hole", about="", play=watched, permanent=True)
    tampered.stage.lost = {symbol: [(seq, seq)]}
    assert tampered.verdict().shortfalls == []
    tampered.stage.lost = {symbol: [(seq, seq + 1)]}
    assert tampered.verdict().shortfalls == [f"what is missing is not what was made unfillable: {symbol} 1"]


@VERDICTS
def test_bans_memory_and_faults_that_never_struck_fall_short(tampered: Tampered) -> None:
    with tampered.journal.open("a") as file:
        file.write('{"t":"ban","caused":true,"seconds":120.0}\n')
    tampered.stage.while_banned = 2
    tampered.stage.rss_mb = 5_000.0
    tampered.stage.row = Row(name="tampered", about="", play=watched, kinds=("drop",))
    assert tampered.verdict().shortfalls == [
        "1 bans caused", "2 requests while banned", "5000 MB of memory, above 600", "the fault drop never struck",
    ]  # fmt: skip


def test_a_row_that_could_not_be_played_is_a_failure(tmp_path: Path) -> None:
    def breaks(stage: Stage) -> None:
        raise RuntimeError("no network here")

    row = Row(name="broken", about="", play=breaks, instruments=1)
    found = play(row, 1, tmp_path / "row", threading.Event(), short=True, settle_s=1.0)
    assert found.shortfalls == ["could not be played: no network here"]
    assert not found.whole


@pytest.mark.parametrize("venue", MARKETS)
def test_no_kind_of_fault_is_left_out_of_the_long_form(venue: str) -> None:
    mine = rows(venue)
    struck = {kind for row in mine if row.long for kind in row.kinds}
    assert struck == set(MARKETS[venue].kinds) == set(venue_of(SimOptions(venue=venue))[0].faults)
    assert len({row.name for row in mine}) == len(mine)


def test_what_a_venue_lacks_is_left_out_with_its_reason() -> None:
    for market in MARKETS.values():
        some = {row.name for part in every(market) for row in part}
        gone = {row.name: lacking(row, market) for part in every(market) for row in part if lacking(row, market)}
        assert some - gone.keys() == {row.name for row in rows(market.name) if row.venue == market.name}
        assert all(len(why) > 10 for why in gone.values())
    assert "banned_in_repair" in {row.name for row in rows(USUAL)}
    assert not {"banned_in_repair", "http_418", "limit_300"} & {row.name for row in rows("okx")}


@pytest.mark.parametrize("venue", MARKETS)
def test_every_script_is_one_that_the_simulator_reads(venue: str, tmp_path: Path) -> None:
    for row in rows(venue):
        name = row.faults
        if not isinstance(name, str) or row.limits:
            path = tmp_path / "script.toml"
            path.write_text(script_text(row))
            name = str(path)
        simulated, entries = venue_of(SimOptions(venue=row.venue, faults=name))
        assert {entry.kind for entry in entries} <= set(simulated.faults)
        if not isinstance(row.faults, str):
            assert len(entries) == len(row.faults)


def test_a_mistake_is_a_sentence_that_names_what_is_allowed(capsys: pytest.CaptureFixture[str]) -> None:
    for words, said in (
        (["medium"], "there is no form 'medium'; allowed are long, short"),
        (["--only", "strom"], "there is no row 'strom'; did you mean 'storm'?"),
        (["--venue", "okex"], "there is no venue 'okex'; allowed are binance, binance-spot, okx"),
        (["--venue", "okx", "--only", "http_418"], "there is no row 'http_418'; nobody is ever banned"),
        (["--jobs", "0"], "--jobs 0 is not allowed; give 1 to 8"),
    ):
        with pytest.raises(SystemExit) as left:
            main(words)
        assert left.value.code == 2
        assert said in capsys.readouterr().err


def test_the_forms_play_what_belongs_to_them() -> None:
    short = chosen_rows(options(["short"]))
    assert [row.name for row, _ in short] == [row.name for row in rows(USUAL) if row.short]
    assert all(seed == 1 for _, seed in short)
    long = chosen_rows(options([]))
    assert ("storm", 3) in {(row.name, seed) for row, seed in long}
    assert all(row.long for row, _ in long)
    assert chosen_rows(options(["--only", "storm", "--seed", "7"])) == [(named("storm")[0], 7)]
    everywhere = [row.name for row, _ in chosen_rows(options(["--only", "storm", "--venue", "all"]))]
    assert everywhere == [f"{venue} storm" for venue in MARKETS]


def test_the_table_has_a_cell_for_every_column() -> None:
    figures = Figures(row="storm", seed=1, sent=1234, shortfalls=["1 missing"], repairs=1, longest_hole_ids=3)
    assert len(cells(figures)) == len(COLUMNS)
    assert cells(figures)[-1] == "FALLS SHORT"
    assert {line.count("|") for line in markdown([figures]).splitlines()} == {len(COLUMNS) + 1}
