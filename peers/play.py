"""One play: a simulator of its own, one client, a fixed time of faults, and a time to recover."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from attack.processes import LEAVE_WITHIN, Collector, Sim
from attack.row import Row as Script
from attack.stage import script_text
from msgspec import Struct, field

import gapless
from peers.judge import Delivered, Loss, bar, delivered_of, judge, trade, truth_of
from peers.line import Line
from peers.rows import INSTRUMENTS, SPEED, Client, Condition

ROOT = Path(__file__).parents[1]
STARTS_WITHIN = 30.0
_POLL = 0.1
_CHECK_EVERY = 3.0


class Played(Struct, kw_only=True):
    """One play with its figures; `failed` says why there are none."""

    condition: str
    client: str
    seed: int
    version: str = ""
    python: str = ""
    loss: Loss = field(default_factory=Loss)
    requests: int = 0
    bans: int = 0
    bans_caused: int = 0
    told: dict[str, int] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    recovered_s: float = 0.0  # of the time to recover, how much was used
    failed: str = ""
    absent: bool = False  # it failed because it is not installed here


class Running(Protocol):
    """A client that runs against the simulator."""

    def ended(self) -> str:
        """Why it is over, or nothing."""
        ...

    def began(self) -> bool:
        """Whether it delivered a first trade."""
        ...

    def delivered(self, finished: float) -> Delivered:
        """What it delivered so far, and what it said until the play was finished."""
        ...

    def leave(self) -> None:
        """End it."""
        ...


class Driven:
    """A client of the field, driven by a process of its own environment."""

    def __init__(self, python: Path, driver: str, sim: Sim, folder: Path) -> None:
        self._file, self._log = folder / "delivered.jsonl", folder / "driver.log"
        with self._log.open("wb") as log:
            self._child = subprocess.Popen(
                [str(python), "-m", f"peers.clients.{driver}", sim.url, str(self._file), *sim.symbols],
                stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=ROOT,
            )  # fmt: skip

    def ended(self) -> str:
        """Why it is over, or nothing."""
        if self._child.poll() is None:
            return ""
        return (self._log.read_text(errors="replace").strip().splitlines() or ["without a word"])[-1]

    def began(self) -> bool:
        """Whether it delivered a first trade."""
        return self._file.exists() and b'"t": "trade"' in self._file.read_bytes()

    def delivered(self, finished: float) -> Delivered:
        """What it delivered so far, and what it said until the market stood still."""
        return delivered_of(self._file.read_bytes().splitlines(), said_until=finished)

    def leave(self) -> None:
        """End it; it has no files to put in order."""
        assert self._child.stdin
        self._child.stdin.close()
        self._child.kill()
        self._child.wait(LEAVE_WITHIN)


class Own:
    """gapless itself: what its store holds, by its public reader."""

    def __init__(self, sim: Sim, folder: Path) -> None:
        self._store = folder / "held.db"
        self._ids = {symbol: f"{sim.venue}:{symbol}" for symbol in sim.symbols}
        self._collector = Collector(folder, sim, self._store, list(self._ids.values()), [])

    def ended(self) -> str:
        """Why it is over, or nothing."""
        return self._collector.sentence() if self._collector.ended else ""

    def began(self) -> bool:
        """Whether it stored a first trade."""
        status = self._collector.status()
        return bool(status and status["store"]["rows"])

    def delivered(self, finished: float) -> Delivered:
        """Give what the store holds, and the holes that it names."""
        found = Delivered(version=gapless.__version__)
        with gapless.open(f"sqlite:///{self._store}") as market:
            for symbol, name in self._ids.items():
                found.trades[symbol] = [
                    trade(row.seq, str(row.price), str(row.size), _ms(row.time), row.side == "sell")
                    for row in market.trades(name)
                ]
                for row in market.candles(name, "1m", on_gap="skip"):
                    values = (row.open, row.high, row.low, row.close, row.volume)
                    found.bars.setdefault(symbol, {})[_ms(row.start)] = bar(_ms(row.start), *map(str, values))
            for gap in market.gaps():
                if gap.cause != "history":  # what was before the start is no loss
                    found.told[f"hole {gap.state}"] += 1
        return found

    def leave(self) -> None:
        """End it in order."""
        self._collector.leave()


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def play(
    client: Client, condition: Condition, seed: int, folder: Path, *, python: Path, seconds: float, recover: float
) -> Played:
    """Play once; what could not be played says why."""
    played = Played(condition=condition.name, client=client.name, seed=seed)
    folder.mkdir(parents=True)
    try:
        with _simulator(condition, seed, folder) as sim:
            running: Running = Driven(python, client.driver, sim, folder) if client.driver else Own(sim, folder)
            try:
                _through(played, sim, running, seconds, recover)
            finally:
                running.leave()
    except Exception as error:
        played.failed = str(error) or type(error).__name__
    return played


@contextlib.contextmanager
def _simulator(condition: Condition, seed: int, folder: Path) -> Iterator[Sim]:
    faults = condition.faults
    if not isinstance(faults, str):
        script = folder / "script.toml"
        row: Any = Script(name=condition.name, about=condition.about, play=lambda stage: None, faults=faults)
        script.write_text(script_text(row))
        faults = str(script)
    sim = Sim(folder, venue="binance", instruments=INSTRUMENTS, speed=SPEED, seed=seed, faults=faults)
    try:
        with Line(sim.port, condition.delay_s) if condition.delay_s else contextlib.nullcontext() as line:
            sim.url = line.url if line else sim.url
            yield sim
    finally:
        sim.leave()


def _through(played: Played, sim: Sim, running: Running, seconds: float, recover: float) -> None:
    _wait(running, STARTS_WITHIN)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if why := running.ended():
            raise RuntimeError(f"the client ended in the middle: {why}")
        time.sleep(_POLL)
    played.faults = sim.state()["faults"]
    finished = time.time()
    sim.finish()
    began = time.monotonic()
    while True:
        time.sleep(min(_CHECK_EVERY, max(began + recover - time.monotonic(), 0.0)))
        truth = truth_of(sim.journal.read_bytes().splitlines())
        delivered = running.delivered(finished)
        loss = judge(truth, delivered)
        # nothing can get better than whole; bars are given the same time
        if not (loss.missing or loss.bars_missing or loss.bars_wrong) or time.monotonic() - began >= recover:
            break
    played.recovered_s = round(time.monotonic() - began, 1)
    played.loss, played.told = loss, dict(delivered.told)
    played.version, played.python = delivered.version, delivered.python
    played.requests, played.bans, played.bans_caused = truth.requests, truth.bans, truth.bans_caused


def _wait(running: Running, within: float) -> None:
    end = time.monotonic() + within
    while not running.began():
        if why := running.ended():
            raise RuntimeError(f"the client did not start: {why}")
        if time.monotonic() > end:
            raise RuntimeError(f"no trade within {within:.0f} s")
        time.sleep(_POLL)
