"""Three hundred products over twenty connections of a simulated Coinbase Exchange, at two rates.

The product runs as it does for a user, with its store on disk, in a process of its own that does nothing else: its CPU,
its memory, how old trades are when they are published in it, how soon a killed connection brings data again, and what
is held in the end. The simulator says when each trade left it (`bench/crowd.py`).
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from bench.crowd import PRODUCTS, STAMP, products

_SECONDS = 30.0
_QUIET = 9.0  # trades a second: with their tickers, and a heartbeat a second of each product, 50 KB/s
_BUSY = 1_620.0  # 3,000 messages a second
_KILLS = 5
_SETTLED = 20.0


class Ages:
    """What was published, and when."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, list[int], int]] = []

    def wrap(self, publish: Any) -> Any:
        """Note each batch of trades behind the product's own publication."""

        def published(instrument: str, rows: list[Any]) -> None:
            publish(instrument, rows)
            self.heard.append((instrument, [row.seq for row in rows], time.time_ns()))

        return published


async def _collect(url: str, stamps: Path, folder: Path) -> dict[str, Any]:
    from gapless.config import load
    from gapless.engine import Engine
    from gapless.log import Log
    from gapless.startup import lean
    from gapless.venues.registry import VENUES

    lean()
    settings = load(
        sets=[
            "venues.coinbase.environment=sim", f"venues.coinbase.sim_url={url}", "collect.history=0m",
            "venues.coinbase.products_per_connection=15", "venues.coinbase.connects_per_5m=100000",
            f"store.url=sqlite:///{folder}/held.db", "serve.listen=[]", "store.commit_every_ms=250",
        ],
        venues=VENUES,
    )  # fmt: skip
    ages = Ages()
    engine = Engine(settings, [f"coinbase:{one['id']}" for one in products()], log=Log(quiet=True))
    engine.announcer.arrived = ages.wrap(engine.announcer.arrived)  # type: ignore[method-assign]
    began = time.monotonic()
    running = asyncio.create_task(engine.run(signals=False))
    found: dict[str, Any] = {}
    await _ready(engine, running)
    found["started_s"] = time.monotonic() - began
    connections = engine.collectors[0].connections
    found["connections"] = len(connections)
    await asyncio.sleep(8)
    ages.heard.clear()
    found |= await _stretch(engine)
    heard, ages.heard = ages.heard, []
    found["ages"] = _ages(heard, stamps)
    found["reconnects"] = await _killed(engine)
    with suppress(TimeoutError):
        await asyncio.wait_for(engine.settle(), _SETTLED)
    found["gaps_open"] = engine.status.health()["gaps_open"]
    found["held"] = _held(engine)
    engine.stop()
    await running
    return found


async def _ready(engine: Any, running: asyncio.Task[None]) -> None:
    """Wait until every product has come once."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        await asyncio.sleep(0.2)
        if running.done():
            running.result()
        if engine.ready.is_set() and engine.status.health()["coverage"] == "100.0%":
            return
    print(engine.status.health(), file=sys.stderr)
    raise SystemExit("bench: not every product had come within two minutes")


async def _stretch(engine: Any) -> dict[str, Any]:
    """Let it run; give CPU as a share of one core, memory, messages and bytes a second."""
    frames, volume = _counts(engine)
    began, spent = time.monotonic(), time.process_time()
    await asyncio.sleep(_SECONDS)
    took, used = time.monotonic() - began, time.process_time() - spent
    after, bytes_after = _counts(engine)
    return {
        "cpu": used / took, "rss_mb": psutil.Process().memory_info().rss / 1e6,
        "messages": (after - frames) / took, "bytes": (bytes_after - volume) / took,
        "coverage": engine.status.health()["coverage"],
    }  # fmt: skip


def _counts(engine: Any) -> tuple[int, int]:
    connections = engine.collectors[0].connections
    return sum(one.tally.frames for one in connections), sum(one.tally.volume for one in connections)


def _ages(heard: list[tuple[str, list[int], int]], stamps: Path) -> list[float]:
    """Give how long each published trade was under way, ms, ascending."""
    numbers = {f"coinbase:{one['id']}": number for number, one in enumerate(products())}
    left = {(number, key): at for number, key, at in STAMP.iter_unpack(_whole(stamps))}
    ages = [
        (at - left[key]) / 1e6
        for name, ids, at in heard
        for seq in ids
        if (key := (numbers[name], seq)) in left
    ]  # fmt: skip
    return sorted(ages)


def _whole(stamps: Path) -> bytes:
    raw = stamps.read_bytes()
    return raw[: len(raw) // STAMP.size * STAMP.size]


async def _killed(engine: Any) -> list[float]:
    """Kill connections one by one, without a word; give how long each was away, s."""
    connections = engine.collectors[0].connections
    away = []
    for number in range(_KILLS):
        await asyncio.sleep(2)
        connection = connections[number * 3 % len(connections)]
        before = connection.connects
        began = time.monotonic()
        connection._leg.socket._transport.underlying_transport.abort()
        while connection.connects == before or connection._broke_at:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        away.append(time.monotonic() - began)
    return away


def _held(engine: Any) -> float:
    """Give the share of what is wanted that is held, of all tapes."""
    wanted = missing = 0
    for line in engine.collectors[0].pipeline.lines.values():
        for track in line.tracks:
            if track.begins is not None and track.newest is not None:
                wanted += track.newest - track.begins + 1
            missing += sum(last - first + 1 for first, last in track.holes())
    return 1 - missing / wanted if wanted else 0.0


def measured(trades: float) -> dict[str, Any]:
    """Play one rate in fresh processes."""
    with tempfile.TemporaryDirectory() as folder:
        stamps = Path(folder) / "stamps"
        sim = subprocess.Popen(
            [sys.executable, "-m", "bench.crowd", str(trades), str(stamps)], stdout=subprocess.PIPE, text=True
        )
        assert sim.stdout is not None
        try:
            command = [sys.executable, "-m", "bench.many", sim.stdout.readline().strip(), str(stamps), folder]
            environment = os.environ | {"GAPLESS_STATE": f"{folder}/state"}
            out = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
        finally:
            sim.kill()
            sim.wait()
        return dict(json.loads(out.stdout))


def _rows(name: str, found: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    ages, cpu = found["ages"], 100 * found["cpu"]
    p50, p99 = ages[len(ages) // 2], ages[int(len(ages) * 0.99)]
    what = f"{found['messages']:,.0f} messages/s, {found['bytes'] / 1e3:,.0f} KB/s, {found['connections']} connections"
    return [
        (f"{PRODUCTS} products at {name}: CPU, %", f"{cpu:.1f}", what, "(goal under 10 at 50 KB/s)"),
        ("  resident memory, MB", f"{found['rss_mb']:.0f}", "", "(goal under 150)"),
        ("  push to publication, p50, ms", f"{p50:.2f}", f"{len(ages):,} trades", ""),
        ("  push to publication, p99, ms", f"{p99:.2f}", "", "(goal under 5)"),
        ("  back after a kill, slowest of 5, s", f"{max(found['reconnects']):.2f}", "", "(goal under 2)"),
        ("  held of what is wanted, %", f"{100 * found['held']:.4f}", f"{found['gaps_open']} gaps open", "(goal 100)"),
        ("  streams in time", found["coverage"], "", ""),
        ("  start until all had come, s", f"{found['started_s']:.1f}", "", ""),
    ]  # fmt: skip


def run() -> list[tuple[str, str, str, str]]:
    """Give the rows of the table: what, ours, the alternative, ratio."""
    return [*_rows("50 KB/s", measured(_QUIET)), *_rows("3,000/s", measured(_BUSY))]


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(_collect(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))))
