"""Rotation under load: 40 instruments, 5,000 messages/s, old connection and successor in different order.

Four connections are replaced again and again while they carry the load; every id must be held once. The age of a trade
when it is published is compared with that of a quiet stretch of the same run.
"""

import asyncio
import subprocess
import sys
import time
from statistics import quantiles

from bench.feed import names
from bench.hot import pipeline
from bench.paced import BASE_SEQ
from gapless.collect.connection import Connection, Hooks
from gapless.collect.pending import Pending
from gapless.model import DAY, Trade
from gapless.net.clock import SystemClock
from gapless.net.websocket import PicowsSockets
from gapless.protocol.session import Watch
from gapless.startup import calm_collector
from gapless.venues.registry import venue
from gapless.venues.spec import Hosts

RATE = 5_000.0
_LINES = 4
_SECONDS = 15.0


class Load:
    """Four connections over 40 instruments, and the ages of what is published."""

    def __init__(self, port: int, began: float) -> None:
        self.pipeline = pipeline()
        self.ages: list[float] = []
        self.trades = 0
        self._began = began
        self._number = {f"binance:{symbol}": number for number, symbol in enumerate(names())}
        self.pipeline._fast = self.published
        each = len(names()) // _LINES
        self.connections = [self._connection(port, at, at + each - 1) for at in range(0, len(names()), each)]

    def _connection(self, port: int, first: int, last: int) -> Connection:
        binance = venue("binance")
        lines = list(self.pipeline.lines.values())[first : last + 1]
        made = Connection(
            f"binance/market/{first}", "market", [binance.streams.stream(line.instrument, "agg") for line in lines],
            pipeline=self.pipeline, hosts=Hosts("", "", None), sockets=PicowsSockets(), clock=SystemClock(),
            hooks=Hooks(lambda *_: None, lambda *_: None, lambda *_, **__: None, self._arrived, _at_once),
            watch=Watch(), life=DAY,
        )  # fmt: skip
        made._url = f"ws://127.0.0.1:{port}/{first}-{last}"
        return made

    def _arrived(self) -> None:
        if self.pipeline.pending.rows >= 5_000:
            self.pipeline.pending = Pending()

    def published(self, instrument: str, rows: list[Trade]) -> None:
        """Note how old each trade is."""
        now, symbol = time.time(), self._number[instrument]
        self.trades += len(rows)
        self.ages += [now - self._began - ((row.seq - BASE_SEQ) * len(names()) + symbol) / RATE for row in rows]

    async def stretch(self, rotate: bool) -> tuple[float, float, int]:
        """Let the load run for a while; give the p50 and p99 age in ms, and the rotations."""
        before = sum(one.tally.rotations for one in self.connections)
        self.ages.clear()
        end = time.monotonic() + _SECONDS
        while time.monotonic() < end:
            if rotate:
                await asyncio.gather(*(one.rotate("measured") for one in self.connections))
            await asyncio.sleep(0.01)
        cuts = quantiles(self.ages, n=100)
        return cuts[49] * 1_000, cuts[98] * 1_000, sum(one.tally.rotations for one in self.connections) - before

    def holes(self) -> tuple[int, int]:
        """Count ids lost between the first and the newest of each instrument, and rows held twice."""
        lost = held = 0
        for line in self.pipeline.lines.values():
            assert line.trades is not None
            lost += sum(last - first + 1 for first, last in line.trades.holes())
            held += sum(span.last - span.first + 1 for span in line.trades.sequence.coverage)
        return lost, self.trades - held


async def _at_once() -> None:
    """No pacing: what is measured is the overlap."""


async def _measure(port: int, began: float) -> tuple[tuple[float, float, int], tuple[float, float, int], int, int]:
    load = Load(port, began)
    tasks = [asyncio.create_task(one.run()) for one in load.connections]
    await asyncio.sleep(3)
    quiet = await load.stretch(rotate=False)
    busy = await load.stretch(rotate=True)
    await asyncio.sleep(0.5)
    lost, doubled = load.holes()
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return quiet, busy, lost, doubled


def run() -> list[tuple[str, str, str, str]]:
    """Give the rows of the table: what, ours, the alternative, ratio."""
    feed = subprocess.Popen([sys.executable, "-m", "bench.paced", str(RATE)], stdout=subprocess.PIPE, text=True)
    assert feed.stdout is not None
    try:
        port, began = feed.stdout.readline().split()
        import uvloop

        calm_collector()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            quiet, busy, lost, doubled = runner.run(_measure(int(port), float(began)))
    finally:
        feed.kill()
        feed.wait()
    return [
        ("rotation at 5,000 messages/s: p99, ms", f"{busy[1]:.1f}", f"{quiet[1]:.1f} quiet",
         f"{busy[1] / quiet[1]:.2f} x (goal under 2)"),
        ("  p50, ms", f"{busy[0]:.1f}", f"{quiet[0]:.1f} quiet", ""),
        ("  rotations; ids lost, doubled", f"{busy[2]}", f"{lost} lost, {doubled} doubled", "(goal 0 and 0)"),
    ]  # fmt: skip
