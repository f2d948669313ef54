"""The budgets of the machine in one small SQLite file of their own: a ban belongs to an address, not to a store."""

import os
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gapless.errors import StoreError
from gapless.ports import HostRecord

_SCHEMA = "CREATE TABLE IF NOT EXISTS host (name TEXT PRIMARY KEY, state BLOB NOT NULL) STRICT, WITHOUT ROWID"


def state_folder() -> Path:
    """Give the folder that budgets live in: `GAPLESS_STATE`, else the platform's state folder."""
    if named := os.environ.get("GAPLESS_STATE"):
        return Path(named)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "gapless"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "gapless"
    return Path(os.environ.get("XDG_STATE_HOME", Path.home() / ".local" / "state")) / "gapless"


class SqliteBudget:
    """Host states in a file that every process of the machine shares."""

    def __init__(self, path: Path | str) -> None:
        self._path = path
        try:
            if path != ":memory:":
                Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode = WAL")
            # Every request writes here while the event loop waits: no fsync. All of it survives a kill; a loss of
            # power may forget the last minutes.
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute(_SCHEMA)
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"the budgets cannot be kept in {path}: {error}") from error
        self._lock = threading.Lock()

    def update(self, host: str, change: HostRecord) -> bytes | None:
        """Read a host's state, let `change` answer with the new one, write it, all in one transaction."""
        try:
            with self._lock, self._transaction() as connection:
                row = connection.execute("SELECT state FROM host WHERE name = ?", (host,)).fetchone()
                after = change(row[0] if row else None)
                if after is not None:
                    connection.execute("INSERT OR REPLACE INTO host VALUES (?, ?)", (host, after))
                return after
        except sqlite3.Error as error:
            raise StoreError(f"the budgets cannot be kept in {self._path}: {error}") from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def states(self) -> dict[str, bytes]:
        """Give every host's state."""
        try:
            with self._lock:
                return dict(self._connection.execute("SELECT name, state FROM host").fetchall())
        except sqlite3.Error as error:
            raise StoreError(f"the budgets in {self._path} cannot be read: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


class MemoryBudget:
    """Host states of this process alone, for tests."""

    def __init__(self) -> None:
        self._states: dict[str, bytes] = {}

    def update(self, host: str, change: HostRecord) -> bytes | None:
        """Read a host's state and write what `change` answers."""
        after = change(self._states.get(host))
        if after is not None:
            self._states[host] = after
        return after

    def states(self) -> dict[str, bytes]:
        """Give every host's state."""
        return dict(self._states)

    def close(self) -> None:
        """Forget nothing: there is nothing to close."""
