"""The hot path: from the socket through order, ledger, candle and footprint, against websockets and json.

Both do the same work on the same core: exact integers, sequence check, coverage, minute fold with ladder. Only what
carries the bytes up and decodes them differs.
"""

import asyncio
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from bench.feed import names
from gapless.collect.line import Line, Track
from gapless.collect.pending import Pending
from gapless.collect.pipeline import Pipeline
from gapless.derive.minutes import Minutes
from gapless.model import Instrument, Tape, Trade
from gapless.net.websocket import PicowsSockets
from gapless.startup import calm_collector
from gapless.tape.coverage import Coverage
from gapless.tape.sequence import Sequence
from gapless.venues.registry import venue

FRAMES = 400_000
ROUNDS = 5
_COMMIT = 5_000  # rows that the writer takes at a time


def pipeline() -> Pipeline:
    """Make the collector's core for 40 instruments."""
    binance = venue("binance")
    made = Pipeline(binance, Pending(), resume_within=0, fast=lambda instrument, rows: None)
    for number, symbol in enumerate(names(), 1):
        instrument = Instrument(
            venue="binance", symbol=symbol, base=symbol[:-4], quote="USDT", kind="perpetual",
            price_digits=2, size_digits=3, tick=10,
        )  # fmt: skip
        tape = Tape(id=number, instrument=instrument.id, kind="agg", price_digits=2, size_digits=3, tick=10)
        made.lines[instrument.id] = Line(instrument, Track(tape, Sequence(Coverage())), None, Minutes())
        made.watch([binance.streams.stream(instrument, "agg")])
    return made


class Ours:
    """picows, msgspec and the collector's own pipeline."""

    def __init__(self, count: int) -> None:
        self.pipeline = pipeline()
        self.left = count
        self.done = asyncio.Event()
        self.group = self.pipeline.venue.streams.group

    def batch(self, frames: list[bytes], received: int) -> None:
        self.pipeline.batch(self.group(frames).runs, received, received)
        self.left -= len(frames)
        if self.pipeline.pending.rows >= _COMMIT:
            self.pipeline.pending = Pending()  # what the writer takes; it has its own figure
        if self.left <= 0:
            self.done.set()

    def closed(self, code: int, reason: str) -> None:
        self.done.set()


async def ours(port: int, count: int) -> None:
    """Receive everything through the product's own code."""
    events = Ours(count)
    socket = await PicowsSockets().connect(f"ws://127.0.0.1:{port}/", events)
    await events.done.wait()
    socket.close(1000, "")
    assert all(line.trades and line.trades.doubled == 0 for line in events.pipeline.lines.values())


async def theirs(port: int, count: int) -> None:
    """Receive everything with websockets and json, then the same core, a message at a time."""
    from websockets.asyncio.client import connect

    core = pipeline()
    tracks = {f"{line.instrument.symbol.lower()}@aggTrade": line for line in core.lines.values()}
    async with connect(f"ws://127.0.0.1:{port}/", compression=None, max_queue=None) as socket:
        left = count
        async for message in socket:
            frame: dict[str, Any] = json.loads(message)
            d = frame["data"]
            trade = Trade(
                d["a"], d["T"] * 1_000_000, int(d["p"].replace(".", "")), int(d["q"].replace(".", "")),
                -1 if d["m"] else 1, d["l"] - d["f"] + 1, d["f"], time.time_ns(),
            )  # fmt: skip
            line = tracks[frame["stream"]]
            assert line.trades is not None
            core._trades(line, line.trades, [trade], two=False)
            left -= 1
            if core.pending.rows >= _COMMIT:
                core.pending = Pending()
            if left <= 0:
                return


def _one(which: str) -> tuple[float, float]:
    """Receive a whole feed in a fresh process; give messages a second and resident MB."""
    command = [sys.executable, "-m", "bench.hot", which]
    out = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    rate, memory = out.stdout.split()
    return float(rate), float(memory)


def run() -> list[tuple[str, str, str, str]]:
    """Give the rows of the table: what, ours, the alternative, ratio."""
    rounds = [(_one("ours"), _one("theirs")) for _ in range(ROUNDS)]
    mine, other = median(a[0] for a, _ in rounds), median(b[0] for _, b in rounds)
    memory = median(a[1] for a, _ in rounds), median(b[1] for _, b in rounds)
    return [
        ("hot path, messages/s", f"{mine:,.0f}", f"{other:,.0f} websockets + json", f"{mine / other:.1f} x (goal 4)"),
        ("  CPU a message, us", f"{1e6 / mine:.2f}", f"{1e6 / other:.2f}", ""),
        ("  resident memory, MB", f"{memory[0]:.0f}", f"{memory[1]:.0f}", ""),
    ]


def _measure(which: str) -> None:
    feed = subprocess.Popen([sys.executable, "-m", "bench.feed", str(FRAMES)], stdout=subprocess.PIPE, text=True)
    assert feed.stdout is not None
    try:
        port = int(feed.stdout.readline())
        import uvloop

        calm_collector()
        began = time.process_time()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run((ours if which == "ours" else theirs)(port, FRAMES))
        spent = time.process_time() - began
    finally:
        feed.kill()
        feed.wait()
    print(FRAMES / spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    _measure(sys.argv[1])
