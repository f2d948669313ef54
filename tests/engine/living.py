"""Simulator and service as processes of their own, and the comparer between them."""

import contextlib
import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gapless.sim.compare import Tally, compare

PATIENCE = 40.0
BTC = "binance:BTCUSDT"


def until(met: Callable[[], Any], what: str, *, within: float = PATIENCE) -> Any:
    """Wait for a condition of other processes, with a deadline; give what it gave."""
    end = time.monotonic() + within
    while not (found := met()):
        assert time.monotonic() < end, f"waited {within:.0f} s for {what}"
        time.sleep(0.02)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask(url: str, body: Any = None, *, method: str = "GET", timeout: float = 60) -> Any:
    """Ask for JSON; None where nobody answers."""
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return json.loads(answer.read())
    except (urllib.error.URLError, ConnectionError):
        return None


class Process:
    """A `gapless` command; what it writes on standard error is kept."""

    def __init__(
        self, folder: Path, *arguments: str, environment: dict[str, str] | None = None, **options: Any
    ) -> None:
        self.log = folder / f"{arguments[0]}-{time.monotonic_ns()}.log"
        own = {**os.environ, "GAPLESS_STATE": str(folder / "state"), **(environment or {})}
        own.pop("GAPLESS_STORE", None)
        with self.log.open("wb") as log:
            self.child = subprocess.Popen(
                [sys.executable, "-m", "gapless", *arguments], stdout=subprocess.PIPE, stderr=log, cwd=folder,
                env=own, **options,
            )  # fmt: skip

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def events(self, name: str) -> list[dict[str, Any]]:
        """The events of a name in the log so far."""
        lines = [line for line in self.said().splitlines() if line.startswith("{")]
        return [event for event in map(json.loads, lines) if event["event"] == name]

    def sentence(self) -> str:
        """The one sentence that it ended with."""
        said = [line for line in self.said().splitlines() if not line.startswith("{")]
        assert len(said) == 1, self.said()
        return said[0]

    def ended(self, *, within: float = PATIENCE) -> int:
        return self.child.wait(within)

    def kill(self) -> None:
        self.child.kill()
        self.child.wait()

    def end(self) -> None:
        if self.child.poll() is None:
            self.child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.child.wait(15)
            self.kill()
        assert self.child.stdout
        self.child.stdout.close()


class Sim(Process):
    """A simulated venue with a journal."""

    def __init__(self, folder: Path, *arguments: str, venue: str = "binance") -> None:
        self.journal = folder / "journal.jsonl"
        super().__init__(
            folder, "sim", "--json", "--venue", venue, "--port", "0", "--journal", str(self.journal), *arguments
        )
        assert self.child.stdout
        greeting = self.child.stdout.readline()
        assert greeting, self.said()
        where = json.loads(greeting)
        self.venue, self.url, self.symbols, self.key = venue, where["url"], where["symbols"], where["api_key"]

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = ask(self.url + "/sim/state")
        return found

    def fault(self, **entry: Any) -> None:
        assert ask(self.url + "/sim/fault", entry, method="POST") is not None

    def finish(self) -> None:
        assert ask(self.url + "/sim/finish", {}, method="POST") is not None

    def play_on(self, market_seconds: float) -> None:
        """Let the market go on for so long."""
        begin = self.state()["market_ms"]
        until(lambda: self.state()["market_ms"] >= begin + 1_000 * market_seconds, "the market to go on")


class Service(Process):
    """`gapless run` against a simulator."""

    def __init__(
        self, sim: Sim, store: Path, *sets: str, ids: list[str] | None = None, port: int | None = None,
        arguments: tuple[str, ...] = (), **options: Any,
    ) -> None:  # fmt: skip
        self.store = store
        self.port = free_port() if port is None else port
        prefix = f"venues.{sim.venue}"
        all_sets = [
            f"{prefix}.environment=sim", f"{prefix}.sim_url={sim.url}", f'serve.listen=["127.0.0.1:{self.port}"]',
            "store.min_free=0", *sets,
        ]  # fmt: skip
        names = ids or [f"{sim.venue}:{symbol}" for symbol in sim.symbols]
        super().__init__(
            store.parent, "run", *names, "--store", f"sqlite:///{store}",
            *[word for text in all_sets for word in ("--set", text)], *arguments, **options,
        )  # fmt: skip

    def ask(self, path: str, **options: Any) -> Any:
        return ask(f"http://127.0.0.1:{self.port}{path}", **options)

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = until(lambda: self.ask("/system/status") or self._alive(), "the service to answer")
        return found

    def _alive(self) -> None:
        assert self.child.poll() is None, self.said()

    def stored(self, rows: int) -> None:
        """Wait until so many trades are stored in this run."""
        until(lambda: self.status()["store"]["rows"] >= rows, f"{rows} rows")

    def settle(self) -> None:
        assert self.ask("/api/v1/settle", method="POST", body={}) is not None, self.said()


def whole(sim: Sim, store: Path) -> Tally:
    """Compare a store with what its simulator journalled; everything sent must be held, once, unaltered."""
    tally = compare(sim.journal, f"sqlite:///{store}", "sim")
    assert (tally.missing, tally.duplicated, tally.altered, tally.gaps_open) == (0, 0, 0, 0), tally
    assert tally.sent["trades"] > 0
    assert tally.held == tally.sent
    return tally


def consistent(store: Path) -> None:
    """The file is sound, and every id that its ledger vouches for is there (aggregates have no void ids)."""
    with contextlib.closing(sqlite3.connect(store)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        vouched = connection.execute(
            "SELECT t.id, sum(c.last - c.first + 1) FROM coverage c JOIN tape t ON t.id = c.tape "
            "WHERE t.kind = 'agg' GROUP BY t.id"
        ).fetchall()
        held = connection.execute("SELECT tape, count(*) FROM trade GROUP BY tape").fetchall()
    assert dict(vouched) == dict(held)


@contextlib.contextmanager
def living(*processes: Process) -> Iterator[None]:
    """End the processes with the block, whatever happens in it."""
    try:
        yield
    finally:
        for process in reversed(processes):
            process.end()
