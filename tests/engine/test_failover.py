"""The primary's sockets are closed, it stalls, it is corrupt: another source is followed, and the tape has no hole."""

import os
import signal
from pathlib import Path
from typing import Any

from living import Service, Sim, living, until

from gapless.query.consolidated import consolidated
from gapless.query.events import Cursor
from gapless.query.feed import events_of, parse_stream, step_after
from gapless.query.market import Market
from gapless.store.sqlite import SqliteStore

A, B, BTC = "binance:BTCUSDT", "binance-spot:BTCUSDT", "BTC/USDT"


def test_whatever_befalls_the_primary_the_consolidated_tape_goes_on_without_a_hole(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    store = tmp_path / "held.db"
    sims = [
        Sim(folder, "--speed", "8", "--instruments", "1", venue=venue)
        for folder, venue in zip(folders, ("binance", "binance-spot"), strict=True)
    ]
    first, second = sims
    sets = (
        "venues.binance-spot.environment=sim", f"venues.binance-spot.sim_url={second.url}", "collect.history=0m",
        f'consolidate.instruments={{"{BTC}" = {{sources = ["{A}", "{B}"]}}}}', "consolidate.stale_after_ms=1000",
        "consolidate.dwell_s=0", "consolidate.max_errors=5",
    )  # fmt: skip
    with living(first, second), living(run := Service(first, store, *sets, ids=[A, B])):
        run.stored(400)

        def left(why: str) -> Any:
            rows = run.ask("/api/v1/consolidated/switches")["rows"]
            return next((row for row in rows if row["from"] == A and row["to"] == B and why in row["reason"]), None)

        def follows(venue: str) -> bool:
            found: bool = run.ask("/api/websocket/active-source")["activeSource"] == venue
            return found

        first.fault(kind="close_24h")  # every socket
        until(lambda: left("connect"), "a switch after a disconnect")
        until(lambda: follows("binance"), "the fail-back")
        os.kill(first.child.pid, signal.SIGSTOP)
        until(lambda: follows("binance-spot"), "a switch from a source that stalls")
        os.kill(first.child.pid, signal.SIGCONT)
        until(lambda: follows("binance"), "the fail-back")
        first.fault(kind="malformed", count=40)
        until(lambda: left("errors within a minute"), "a switch from a source that is corrupt")
        assert run.ask("/api/websocket/health")["healthy"]
        assert {row["exchange"]: row["connected"] for row in run.ask("/api/websocket/sources")} == {
            "binance": True, "binance-spot": True,
        }  # fmt: skip
        run.settle()
        run.child.terminate()
        assert run.ended() == 0
    _is_whole(store)


def _is_whole(path: Path) -> None:
    """Every turn of the tape has every id of its source, and the log tells each trade of it once."""
    store = SqliteStore(str(path), environment="sim", readonly=True)
    market = Market(store)
    whole = consolidated(market, BTC)
    tape = [(source, trade.seq) for source, trade in whole.trades().rows]
    turns = [turn for turn in whole.timeline.turns if turn.former != turn.source]
    assert len(turns) >= 6
    for turn, following in zip(turns, [*turns[1:], None], strict=True):
        rows = [
            trade.seq
            for source, trade in whole.trades(
                start=turn.instant if turn.former else None, end=following.instant if following else None
            ).rows
            if source == turn.source
        ]
        assert rows == list(range(rows[0], rows[-1] + 1)) if rows else True
        if rows and turn.former:  # nothing of the source lies between the instant and its first trade
            held = whole.tape(turn.source)
            assert held
            before = store.trade_before(held.id, rows[0])
            assert before is None or before.time < turn.instant
    stream, told, at = parse_stream(f"consolidated:{BTC}", market), [], Cursor(0, 0)
    while step := step_after(store, at):
        events = [event.data for event in events_of(store, step, stream) if event.type == "trade"]
        told += [(row["source"], row["seq"]) for row in events]
        at = step.until
    assert sorted(told) == sorted(tape)
    assert len(set(told)) == len(told) > 300
    store.close()
