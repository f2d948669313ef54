"""Instruments come and go while the others are under load: who stays loses nothing and is not reconnected."""

import contextlib
import sqlite3
from pathlib import Path

from living import Service, Sim, living

from gapless.model import Evidence


def test_the_streams_that_stay_lose_nothing_and_are_only_rotated_while_movers_change(tmp_path: Path) -> None:
    store = tmp_path / "held.db"
    with living(sim := Sim(tmp_path, "--speed", "20", "--instruments", "9")):
        ids = [f"binance:{symbol}" for symbol in sim.symbols]
        stays, others = ids[0], ids[1:]
        movers = ("movers.venue=binance", "movers.gainers=2", "movers.losers=2", "movers.min_quote_volume=0")
        with living(run := Service(sim, store, *movers, ids=[stays])):
            run.stored(100)
            assert run.events("movers_changed")[0]["movers"] == 4
            for number in range(2):
                change = {"add": others[number::3], "remove": others[(number + 1) % 3 :: 3]}
                answer = run.ask("/api/v1/collect", method="POST", body=change)
                assert set(answer["added"]) <= set(change["add"])
            run.stored(run.status()["store"]["rows"] + 200)
            status = run.status()
            log = {name: run.events(name) for name in ("disconnected", "rotate_failed", "silent")}
            run.child.terminate()
            assert run.ended() == 0
    assert log == {"disconnected": [], "rotate_failed": [], "silent": []}
    assert sum(row["rotations"] for row in status["connections"]) >= 4
    with contextlib.closing(sqlite3.connect(store)) as connection:
        (tape,) = connection.execute(
            "SELECT t.id FROM tape t JOIN instrument i ON i.id = t.instrument WHERE i.name = ? AND t.kind = 'agg'",
            (stays,),
        ).fetchone()
        spans = connection.execute("SELECT first, last, evidence FROM coverage WHERE tape = ?", (tape,)).fetchall()
        rows = connection.execute("SELECT count(*), min(seq), max(seq) FROM trade WHERE tape = ?", (tape,)).fetchone()
        doubled = connection.execute(
            "SELECT count(*) FROM event WHERE kind = 'doubled' AND subject = ?", (f"{stays} agg",)
        ).fetchone()
        gaps = connection.execute("SELECT count(*) FROM gap WHERE tape = ?", (tape,)).fetchone()
    ((first, last, evidence),) = spans
    assert evidence == Evidence.STREAM  # not one id of it had to be asked for
    assert rows == (last - first + 1, first, last)
    assert (doubled, gaps) == ((0,), (0,))
