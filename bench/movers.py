"""The top movers of the hour: REST requests of an hour of 40 instruments, and CPU beside a poller of the same.

The simulated market runs fast, and its seed is fixed: the movers are chosen once more in the hour, and those that come
and go are the same in every run. Requests are those that the simulator counted. The poller is what people write:
aiohttp and json, the newest candles of 1m, 3m, 5m and 15m asked for whenever one closes, and the movers every hour. It
gets no trades, so no footprints, and proves nothing. CPU is measured twice: over the fast hour, which has all of an
hour's events and little of its idling, and at the market's own speed.
"""

import asyncio
import json
import tempfile
import time
from pathlib import Path

import aiohttp
import psutil
from attack.processes import Collector, Sim, ask

_SPEED = 30.0
_HOUR = 3_600.0
_INSTRUMENTS, _SEED = 60, 1
_MINUTES = (1, 3, 5, 15)
_AT_ONCE = 10
_QUIET = 60.0  # seconds at the market's own speed


class Hour:
    """What an hour of gapless came to."""

    def __init__(self, requests: dict[str, int], newcomers: int, cpu: float, events: int) -> None:
        self.requests = requests
        self.newcomers = newcomers
        self.cpu = cpu
        self.events = events


def _play(folder: Path, speed: float, *sets: str) -> tuple[Sim, Collector]:
    sim = Sim(folder, venue="binance", instruments=_INSTRUMENTS, speed=speed, seed=_SEED, faults="none")
    given = ["movers.venue=binance", "movers.min_quote_volume=0", "movers.min_change=1", *sets]
    run = Collector(folder, sim, folder / "held.db", [], given)
    end = time.monotonic() + 60
    while (status := run.status()) is None or status["gaps"]["open"] or not status["store"]["rows"]:
        if time.monotonic() > end:
            raise RuntimeError(f"gapless did not get ready: {run.said()[-2_000:]}")
        time.sleep(0.2)
    time.sleep(15)  # the start is over, its history is there, and the simulator's day tickers are ready
    return sim, run


def _cpu(pid: int) -> float:
    used = psutil.Process(pid).cpu_times()
    return float(used.user + used.system)


def _asked(sim: Sim) -> dict[str, int]:
    """Count the requests that the simulator has answered, by what they asked for."""
    count: dict[str, int] = {}
    with sim.journal.open() as lines:
        for line in lines:
            if '"t":"request"' in line:
                path, _, query = json.loads(line)["path"].partition("?")
                name = path.rpartition("/v1/")[2] + (" of one" if "symbol=" in query else "")
                count[name] = count.get(name, 0) + 1
    return count


def _hour() -> Hour:
    """Let gapless follow the movers for an hour of the market."""
    with tempfile.TemporaryDirectory() as name:
        # Chosen anew once in the stretch that is measured.
        sim, run = _play(Path(name), _SPEED, "movers.every=75s")
        try:
            before, cpu, events = _asked(sim), _cpu(run.child.pid), _messages(run)
            time.sleep(_HOUR / _SPEED)
            cpu, events = _cpu(run.child.pid) - cpu, _messages(run) - events
            after = _asked(sim)
            log = [json.loads(line) for line in run.said().splitlines() if line.startswith("{")]
        finally:
            run.leave()
            sim.leave()
    changes = [event["begun"] for event in log if event["event"] == "movers_changed"]
    spent = {what: count - before.get(what, 0) for what, count in after.items() if count > before.get(what, 0)}
    return Hour(spent, sum(changes[1:]), cpu, events)


def _messages(run: Collector) -> int:
    return sum(row["frames"] for row in ask(run.api + "/system/status")["connections"])


def _quiet(*sets: str) -> float:
    """Let gapless follow the movers at the market's own speed; give its CPU seconds an hour."""
    with tempfile.TemporaryDirectory() as name:
        sim, run = _play(Path(name), 1.0, *sets)
        try:
            cpu = _cpu(run.child.pid)
            time.sleep(_QUIET)
            return (_cpu(run.child.pid) - cpu) * _HOUR / _QUIET
        finally:
            run.leave()
            sim.leave()


class Poller:
    """What people write: each interval's newest candles, asked for when one closes."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.requests = 0
        self.candles: dict[tuple[str, int], list[list[object]]] = {}
        self._url = url
        self._session = session
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def _get(self, path: str) -> object:
        async with self._turns, self._session.get(f"{self._url}/fapi/v1/{path}") as answer:
            self.requests += 1
            if answer.status != 200:
                raise RuntimeError(f"the simulator answered {answer.status} to {path}")
            return json.loads(await answer.text())

    async def movers(self) -> list[str]:
        """Choose the 20 that rose most and the 20 that fell most."""
        info = await self._get("exchangeInfo")
        rows = await self._get("ticker/24hr")
        assert isinstance(info, dict)
        assert isinstance(rows, list)
        open_ = {one["symbol"] for one in info["symbols"] if one["status"] == "TRADING"}
        rows = sorted((r for r in rows if r["symbol"] in open_), key=lambda r: float(r["priceChangePercent"]))
        return [row["symbol"] for row in rows[:20] + rows[-20:]]

    async def poll(self, symbol: str, minutes: int) -> None:
        """Ask for the newest candles of an interval and keep them as numbers."""
        rows = await self._get(f"klines?symbol={symbol}&interval={minutes}m&limit=100")
        assert isinstance(rows, list)
        self.candles[symbol, minutes] = [[row[0], *(float(value) for value in row[1:6])] for row in rows]


async def _polled(url: str) -> int:
    """Poll the closes of an hour one after the other, as idling costs a poller nothing; give the requests."""
    async with aiohttp.ClientSession() as session:
        poller = Poller(url, session)
        symbols = await poller.movers()
        for minute in range(1, 61):
            due = [one for one in _MINUTES if minute % one == 0]
            await asyncio.gather(*(poller.poll(symbol, one) for symbol in symbols for one in due))
        return poller.requests


def _poller() -> tuple[float, int]:
    """Give the CPU seconds and requests of an hour of polling."""
    with tempfile.TemporaryDirectory() as name:
        script = Path(name) / "roomy.toml"
        script.write_text("[limits]\nweight_limit = 100000\n")  # an hour of requests comes in a minute or two
        sim = Sim(Path(name), venue="binance", instruments=_INSTRUMENTS, speed=1.0, seed=_SEED, faults=str(script))
        try:
            time.sleep(15)
            cpu = time.process_time()
            requests = asyncio.run(_polled(sim.url))
            return time.process_time() - cpu, requests
        finally:
            sim.leave()


def run() -> list[tuple[str, str, str, str]]:
    """Give the rows of the table: what, ours, the alternative, ratio."""
    polling, requests = _poller()
    hour, quiet, rare = _hour(), _quiet(), _quiet("store.commit_every_ms=250")
    total = sum(hour.requests.values())
    allowed = 2 + hour.newcomers
    told = ", ".join(f"{count} {what}" for what, count in sorted(hour.requests.items()))
    return [
        ("an hour of 40 movers: REST requests", f"{total}", f"{requests:,} of a poller",
         f"{1 - total / requests:.1%} fewer (goal {allowed}: 2, and 1 for each of {hour.newcomers} newcomers)"),
        ("  of which", "", told, ""),
        (f"  CPU seconds, played at {_SPEED:.0f} x", f"{hour.cpu:.1f}", f"{polling:.1f} of a poller",
         f"{hour.cpu / polling:.2f} x for {hour.events:,} events (goal under 0.5)"),
        ("  CPU seconds an hour, at its own speed", f"{quiet:.1f}", f"{polling:.1f} of a poller",
         f"{quiet / polling:.2f} x (goal under 0.5)"),
        ("  with store.commit_every_ms = 250", f"{rare:.1f}", f"{quiet:.1f} with 20", f"{rare / quiet:.2f} x"),
    ]  # fmt: skip
