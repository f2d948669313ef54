"""The stage of one row: its processes, and what can be done to them."""

import json
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from attack.processes import STARTS_WITHIN, Collector, Sim, ask
from attack.row import Row

SETTLES_WITHIN = 180.0
_POLL = 0.05


class Stopped(Exception):
    """The attack as a whole was told to stop."""


class Stage:
    """Plays one row; `rng` is the only source of chance, `left` whether everything is to be cut short."""

    def __init__(
        self, row: Row, seed: int, folder: Path, *, short: bool, halt: threading.Event, settle_s: float = SETTLES_WITHIN
    ) -> None:
        self.row = row
        self.seed = seed
        self.folder = folder
        self.store = folder / "held.db"
        self.state: Path | None = None
        self.short = short
        self.settle_s = settle_s
        self.rng = random.Random(seed)
        self.while_banned = 0
        self.hung_up = 0
        self.rss_mb = 0.0
        self.settled_s = 0.0
        self.cut = 0  # connections that the simulator ended because the collector did not read
        self.notes: list[str] = []
        self.shortfalls: list[str] = []
        self.lost: dict[str, list[tuple[int, int]]] = {}  # what was made unfillable on purpose
        self.faults: dict[str, int] = {}
        self._halt = halt
        self.sim = self._new_sim()
        self.collector: Collector | None = None

    def _new_sim(self, port: int = 0) -> Sim:
        row, faults = self.row, self.row.faults
        script = self.folder / "script.toml"
        if not isinstance(faults, str) or row.limits:
            script.write_text(script_text(row))
            faults = str(script)
        return Sim(
            self.folder, venue=row.venue, instruments=row.instruments, speed=row.speed, seed=self.seed, faults=faults,
            port=port,
        )  # fmt: skip

    def length(self, short: float, long: float) -> float:
        """Give a length of time, or a count, by the form that is played."""
        return short if self.short else long

    def require(self, met: bool, what: str) -> None:
        """Note a shortfall unless a condition is met."""
        if not met:
            self.shortfalls.append(what)

    def until(self, met: Callable[[], Any], what: str, *, within: float = 60.0) -> Any:
        """Wait for a condition of the processes, with a deadline; give what it gave."""
        end = time.monotonic() + within
        while not (found := met()):
            if time.monotonic() > end:
                raise TimeoutError(f"waited {within:.0f} s for {what}")
            self.rest(_POLL)
        return found

    def rest(self, seconds: float) -> None:
        """Let real time pass."""
        if self._halt.wait(seconds):
            raise Stopped

    # the collector

    @property
    def ids(self) -> list[str]:
        """The ids of what is collected."""
        return [f"{self.sim.venue}:{symbol}" for symbol in self.sim.symbols]

    def collect(self, *, rows: int = 60, ready: bool = True, sets: Sequence[str] = ()) -> Collector:
        """Start the collector, and wait until it stored so many rows in this run, and something of every tape.

        Before something of a tape is on disk, nothing but the memory of the process says where it begins.
        """
        self.collector = Collector(
            self.folder, self.sim, self.store, self.ids, [*self.row.sets, *sets], state=self.state
        )
        if ready:
            self.stored(rows)
            self.until(lambda: self._begun() >= 2 * self.row.instruments, "something of every tape")
        return self.collector

    def _begun(self) -> int:
        with closing(sqlite3.connect(self.store)) as connection:
            return int(connection.execute("SELECT count(DISTINCT tape) FROM wanted").fetchone()[0])

    @property
    def run(self) -> Collector:
        """The collector that runs now."""
        assert self.collector is not None, "no collector was started"
        return self.collector

    def status(self) -> dict[str, Any]:
        """What the collector says of itself; its own words where it has ended."""
        run = self.run

        def answer() -> dict[str, Any] | None:
            if run.ended:
                raise RuntimeError(f"the collector ended: {run.sentence()}")
            return run.status()

        found: dict[str, Any] = self.until(answer, "the collector to answer", within=STARTS_WITHIN)
        return found

    def stored(self, rows: int) -> None:
        """Wait until so many trades are stored in this run."""
        self.until(lambda: self.status()["store"]["rows"] >= rows, f"{rows} rows")

    def kill(self) -> None:
        """End the collector by SIGKILL."""
        self.run.kill()
        self.part()

    def part(self) -> int:
        """Leave a collector that has ended or is to end; give its status."""
        status = self.run.leave()
        self.rss_mb = max(self.rss_mb, self.run.rss_mb)
        self.collector = None
        return status

    def play(self, short: float, long: float) -> None:
        """Let the market go on for so many real seconds; the collector must live through them."""
        end = time.monotonic() + self.length(short, long)
        while time.monotonic() < end:
            if self.collector is not None and self.run.ended:
                raise RuntimeError(f"the collector ended: {self.run.sentence()}")
            self.rest(min(0.2, max(end - time.monotonic(), 0.0)))

    def command(self, path: str, body: Any, *, timeout: float = 60.0) -> dict[str, Any]:
        """Tell the collector to do something; raises where it refuses."""
        told = ask(self.run.api + path, body, timeout=timeout)
        if told is None or ("refused" in told and isinstance(told["refused"], int)):
            raise RuntimeError(f"{path} was not done: {told}")
        return dict(told)

    # the venue

    def venue_state(self) -> dict[str, Any]:
        """What the simulator says of itself."""
        return self.sim.state()

    def struck(self, kind: str) -> None:
        """Wait until a fault has really happened."""
        self.until(lambda: self.faults.get(kind, 0) + self.venue_state()["faults"].get(kind, 0), f"the fault {kind}")

    def restart_venue(self) -> None:
        """Kill the simulator and start it again on the same port, in the same world."""
        self.sim.kill()
        self.sim.leave()
        self.sim = self._new_sim(self.sim.port)

    def note_venue(self) -> None:
        """Keep what the simulator counted, before it is killed."""
        state = self.venue_state()
        self.while_banned += state["rest"]["while_banned"]
        self.hung_up += state["too_many"]
        self.cut += state["slow_consumers"]
        for kind, count in state["faults"].items():
            self.faults[kind] = self.faults.get(kind, 0) + count

    # the end

    def end(self, *, meanwhile: Callable[[], None] = lambda: None) -> None:
        """End the play, let the collector settle, and stop everything in order; `meanwhile` it has settled and runs."""
        self.sim.finish()
        began = time.monotonic()
        told = ask(self.run.api + "/api/v1/settle", {}, timeout=self.settle_s)
        self.settled_s = round(time.monotonic() - began, 1)
        self.require(told is not None, f"did not settle within {self.settle_s:.0f} s")
        self.note_venue()
        meanwhile()
        status = self.part()
        self.require(status == 0, f"the collector left with status {status}")
        self.sim.leave()

    def clear(self) -> None:
        """End what still runs."""
        if self.collector is not None:
            self.collector.leave()
        self.sim.leave()


def script_text(row: Row) -> str:
    """Write the script of a row as TOML."""
    lines = []
    for fault in row.faults if not isinstance(row.faults, str) else ():
        lines += ["[[fault]]", *(f"{key} = {_toml(value)}" for key, value in fault.items())]
    if row.limits:
        lines += ["[limits]", *(f"{key} = {_toml(value)}" for key, value in row.limits.items())]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, str) else str(value)
