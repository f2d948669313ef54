"""How soon a broken connection brings data again, and how soon a silent stream is found, against the simulated venue.

120 connections are broken one by one; the product's own log tells how long each was away (from the break to the
next data of the market on its successor). Then streams fall silent while they stay acknowledged, at two rates.
"""

import tempfile
import time
from pathlib import Path
from statistics import median

from attack.processes import Collector, Sim

from gapless.adapters import open_store

_BREAKS = 100
_SILENCES = 8


def _play(folder: Path, *, instruments: int, speed: float, sets: list[str]) -> tuple[Sim, Collector]:
    sim = Sim(folder, venue="binance", instruments=instruments, speed=speed, seed=1, faults="none")
    ids = [f"binance:{symbol}" for symbol in sim.symbols]
    run = Collector(folder, sim, folder / "held.db", ids, ["collect.history=1m", *sets])
    end = time.monotonic() + 30
    while (status := run.status()) is None or status["status"] != "ready":
        assert time.monotonic() < end, run.said()
        time.sleep(0.2)
    return sim, run


def _until(store: Path, name: str, count: int, *, within: float) -> list[float]:
    """Wait for events in the store; give their milliseconds."""
    end = time.monotonic() + within
    reader = open_store(f"sqlite:///{store}", environment="sim", readonly=True)
    while len(found := reader.events([name], 0)) < count and time.monotonic() < end:
        time.sleep(0.2)
    reader.close()
    return sorted(float(detail["ms"]) for _, _, detail, _ in found)


def returning() -> list[float]:
    """Break connections; give how long each was away, ms."""
    with tempfile.TemporaryDirectory() as folder:
        sets = ["venues.binance.streams_per_connection=1", "venues.binance.connects_per_5m=100000"]
        sim, run = _play(Path(folder), instruments=30, speed=20, sets=sets)
        try:
            time.sleep(11)  # who broke before is made to wait, at random
            for _ in range(_BREAKS):
                sim.fault("disconnect")
                time.sleep(0.1)
            return _until(Path(folder) / "held.db", "live_again", _BREAKS, within=20)
        finally:
            run.leave()
            sim.leave()


def silent(speed: float) -> tuple[float, list[float]]:
    """Silence streams; give their mean rate (messages/s) and how long each was silent when it was found, ms."""
    with tempfile.TemporaryDirectory() as folder:
        sim, run = _play(Path(folder), instruments=8, speed=speed, sets=[])
        try:
            status = run.status()
            assert status is not None
            began, before = time.monotonic(), _trades(status)
            time.sleep(15)
            status = run.status()
            assert status is not None
            rate = (_trades(status) - before) / (time.monotonic() - began) / len(sim.symbols)
            for number in range(_SILENCES):
                symbol = sim.symbols[number % len(sim.symbols)]
                sim.fault("mute", symbol=symbol, stream="aggTrade")
                time.sleep(14)
            return rate, _until(Path(folder) / "held.db", "silent", _SILENCES, within=30)
        finally:
            run.leave()
            sim.leave()


def _trades(status: dict[str, object]) -> int:
    store = status["store"]
    assert isinstance(store, dict)
    return int(store["rows"])


def run() -> list[tuple[str, str, str, str]]:
    """Give the rows of the table: what, ours, the alternative, ratio."""
    away = returning()
    p99 = away[int(len(away) * 0.99) - 1]
    rows = [
        ("broken to live, median, ms", f"{median(away):.0f}", "5,000 a fixed delay", f"{len(away)} breaks (goal 300)"),
        ("  p99, ms", f"{p99:.0f}", "", "(goal 2,000)"),
    ]
    for speed, goal in ((4.5, "3,000"), (0.45, "10,000")):
        rate, found = silent(speed)
        worst = f"{max(found):,.0f}" if found else "none found"
        rows.append(
            (f"silent at {rate:.1f} messages/s found, worst, ms", worst, f"{len(found)} streams", f"(goal {goal})")
        )
    return rows
