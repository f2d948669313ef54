"""Checks the installation: Python, SQLite, event loop, state folder, clock. Asks nobody."""

import asyncio
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from gapless.doctor.check import Check
from gapless.errors import StoreError
from gapless.model import SECOND, iso
from gapless.store.budget import SqliteBudget, state_folder

_STRICT_SINCE = (3, 37, 0)  # of SQLite: STRICT tables
_BUILT = 1_763_596_800 * SECOND  # 2025-11-20: no machine's clock may be earlier
_COMMITS = 20
_JUMP = SECOND // 20


def checks() -> Iterator[Check]:
    """Check the installation, one thing after another."""
    for name, one in (
        ("python", _python),
        ("sqlite", _sqlite),
        ("event loop", _loop),
        ("state folder", _state),
        ("machine clock", _clock),
    ):
        yield _guarded(name, one)


def _guarded(name: str, one: Callable[[str], Check]) -> Check:
    try:
        return one(name)
    except (OSError, sqlite3.Error, StoreError) as trouble:
        return Check(name, "failed", str(trouble))


def _python(name: str) -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    fits = sys.version_info >= (3, 11)
    return Check(name, "ok" if fits else "failed", f"Python {version}" + ("" if fits else "; 3.11 or later is needed"))


def _sqlite(name: str) -> Check:
    """Write through a write-ahead log while another connection reads, as the service does."""
    figures = {"version": sqlite3.sqlite_version}
    if sqlite3.sqlite_version_info < _STRICT_SINCE:
        return Check(name, "failed", f"SQLite {sqlite3.sqlite_version}; 3.37 or later is needed", figures)
    with tempfile.TemporaryDirectory(prefix="gapless-doctor-") as folder:
        writer = sqlite3.connect(Path(folder) / "trial.db", isolation_level=None)
        mode = writer.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        writer.execute("PRAGMA synchronous = NORMAL")
        writer.execute("CREATE TABLE trial (n INTEGER PRIMARY KEY) STRICT")
        reader = sqlite3.connect(Path(folder) / "trial.db", isolation_level=None)
        began = time.perf_counter()
        for number in range(_COMMITS):
            writer.execute("INSERT INTO trial VALUES (?)", (number,))
        took = (time.perf_counter() - began) * 1_000 / _COMMITS
        seen = reader.execute("SELECT count(*) FROM trial").fetchone()[0]
        reader.close()
        writer.close()
    if mode != "wal" or seen != _COMMITS:
        return Check(name, "failed", f"SQLite keeps no write-ahead log here ({mode}); readers would block it", figures)
    return Check(
        name, "ok", f"SQLite {sqlite3.sqlite_version}, write-ahead log, {took:.2f} ms a commit",
        figures | {"commit_ms": round(took, 3)},
    )  # fmt: skip


def _loop(name: str) -> Check:
    try:
        import uvloop
    except ImportError:
        return Check(name, "ok", "asyncio's own; uvloop would be faster", {"loop": "asyncio"})
    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    with runner:
        runner.run(asyncio.sleep(0))
    return Check(name, "ok", "uvloop", {"loop": "uvloop"})


def _state(name: str) -> Check:
    """Open the budgets of the machine, and write there."""
    budgets = SqliteBudget(state_folder() / "budget.db")
    try:
        hosts = budgets.states()
    finally:
        budgets.close()
    with tempfile.NamedTemporaryFile(dir=state_folder()) as trial:
        trial.write(b"gapless")
    return Check(name, "ok", f"writable; budgets of {len(hosts)} hosts are kept there", {"hosts": len(hosts)})


def _clock(name: str) -> Check:
    """Compare the wall clock with the monotonic one over a tenth of a second."""
    wall, mono = time.time_ns(), time.monotonic_ns()
    time.sleep(0.1)
    jump = (time.time_ns() - wall) - (time.monotonic_ns() - mono)
    figures = {"jump_ms": round(jump / 1e6, 3)}
    if wall < _BUILT:
        return Check(name, "differs", f"the machine believes that it is {iso(wall)}: set its clock", figures)
    if abs(jump) > _JUMP:
        return Check(name, "differs", f"the wall clock jumped by {jump / 1e6:.0f} ms within 100 ms", figures)
    return Check(name, "ok", f"{iso(wall // SECOND * SECOND)}, steady", figures)
