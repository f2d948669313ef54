"""From the close of a minute to the signal in a client's hand: 40 instruments, every rule on every timeframe.

A simulated market runs at ten times its speed; gapless collects it, and a client reads the stream `signals` from its
socket, both on one loop. A latency runs from the receipt of the first frame of the commit that closed the bar, until
the client has the event. The alternative asks by REST for the closed candles of the 40, one after the other, from the
same simulator: the last of them is when a poller can begin to judge.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
from attack.processes import Sim, free_port
from websockets.asyncio.client import connect

from gapless.config import load
from gapless.derive.settle import Settled
from gapless.engine import Engine
from gapless.log import Log
from gapless.model import Timeframe
from gapless.model.times import iso
from gapless.startup import calm_collector

_INSTRUMENTS, _SPEED, _WARM, _LISTEN = 40, 10.0, 20.0, 90.0

Key = tuple[str, str, str, str]


class Watched(Engine):
    """An engine that notes when the first thing that led to each signal was received (monotonic ns)."""

    began: dict[Key, int]

    def _written(self, settled: Settled) -> None:
        for judged in settled.judged:
            frame = str(Timeframe(judged.minutes))
            self.began[judged.instrument, frame, iso(judged.start), judged.signal.kind] = settled.began
        super()._written(settled)


async def _heard(engine: Watched, address: str) -> list[float]:
    """Read the stream for a while; give the latencies of signals found, ms."""
    found = []
    try:
        await engine.ready.wait()
        await asyncio.sleep(_WARM)
        async with connect(f"ws://{address}/api/v1/stream") as socket, asyncio.timeout(_LISTEN):
            await socket.send(json.dumps({"op": "subscribe", "id": 1, "streams": ["signals"]}))
            async for message in socket:
                now, data = time.monotonic_ns(), json.loads(message).get("data")
                if data and data["state"] == "found":
                    key = data["instrument"], data["timeframe"], data["start"], data["kind"]
                    found.append((now - engine.began[key]) / 1e6)
    except TimeoutError:
        pass
    finally:
        engine.stop()
    return found


async def _collected(folder: Path, sim: Sim) -> list[float]:
    address = f"127.0.0.1:{free_port()}"
    sets = [
        "venues.binance.environment=sim", f"venues.binance.sim_url={sim.url}", f'serve.listen=["{address}"]',
        f"store.url=sqlite:///{folder / 'signals.db'}",
    ]  # fmt: skip
    engine = Watched(load(sets=sets), [f"binance:{symbol}" for symbol in sim.symbols], log=Log(quiet=True))
    engine.began = {}
    heard = asyncio.create_task(_heard(engine, address))
    await engine.run(signals=False)
    return await heard


async def _polled(sim: Sim) -> float:
    """Give the ms that it takes to ask for the newest candles of all, one after the other."""
    async with aiohttp.ClientSession() as session:
        began = time.perf_counter()
        for symbol in sim.symbols:
            query = {"symbol": symbol, "interval": "1m", "limit": "2"}
            async with session.get(f"{sim.url}/fapi/v1/klines", params=query) as reply:
                await reply.json()
        return (time.perf_counter() - began) * 1_000


def run() -> list[tuple[str, str, str, str]]:
    """Give the rows of the table: what, ours, the alternative, ratio."""
    out = subprocess.run([sys.executable, "-m", "bench.signalling"], capture_output=True, text=True, check=True,
                         cwd=Path(__file__).parents[1])  # fmt: skip
    told = json.loads(out.stdout)
    found, polled = sorted(told["heard"]), told["polled"]
    p50, p99 = found[len(found) // 2], found[len(found) * 99 // 100]
    return [
        (f"{len(found)} signals, close to client, p50 ms", f"{p50:.0f}", f"{polled:.0f} until 40 candles are polled",
         f"{p50 / polled:.2f} x"),
        ("  p99 ms", f"{p99:.0f}", "", "(goal: 100)"),
    ]  # fmt: skip


def _measure() -> None:
    import uvloop

    with tempfile.TemporaryDirectory() as name:
        os.environ["GAPLESS_STATE"] = f"{name}/state"
        folder = Path(name)
        sim = Sim(folder, venue="binance", instruments=_INSTRUMENTS, speed=_SPEED, seed=1, faults="none")
        try:
            calm_collector()
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                heard = runner.run(_collected(folder, sim))
                polled = runner.run(_polled(sim))
        finally:
            sim.leave()
    print(json.dumps({"heard": heard, "polled": polled}))


if __name__ == "__main__":
    _measure()
