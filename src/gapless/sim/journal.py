"""The journal: what was offered, what went wrong on purpose, what was asked, and at the end the whole truth.

JSON lines, appended and flushed one by one. After a restart a file holds several `start` lines; the rows after the last
of them, closed by `end`, are the truth of the whole world, because first ids are kept.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import msgspec

from gapless.sim.errors import SimError


def wall_ms() -> int:
    """Returns the wall clock in ms UTC."""
    return int(time.time() * 1000)


class Journal:
    """Appends lines to a file, or only keeps the first ids when no file is wanted."""

    def __init__(self, path: Path | None) -> None:
        """Reads which tapes an existing file says were offered, and what changed, then appends to it."""
        self.offered: dict[tuple[str, str], int] = {}
        self.changes: list[dict[str, Any]] = []  # of the market itself, as an existing file tells them
        self._file: IO[bytes] | None = None
        if path is None:
            return
        try:
            if path.exists():
                self._remember(path)
            self._file = path.open("ab")
        except OSError as error:
            raise SimError(
                f"journal {path}: cannot be written ({error.strerror}); give a file in a folder that exists"
            ) from None

    def _remember(self, path: Path) -> None:
        whole = path.read_bytes()
        for line in whole.splitlines():
            if b'"offered"' not in line and b'"change"' not in line:
                continue
            try:
                entry = msgspec.json.decode(line)
            except msgspec.MsgspecError:
                continue  # the last line of a process that was killed
            if entry.get("t") == "offered":
                self.offered.setdefault((entry["symbol"], entry["tape"]), entry["id"])
            elif entry.get("t") == "change":
                self.changes.append(entry)
        if whole and not whole.endswith(b"\n"):
            with path.open("ab") as file:
                file.write(b"\n")

    def write(self, line: str, /, **fields: Any) -> None:
        """Appends one line and flushes it."""
        if self._file is not None:
            self._file.write(msgspec.json.encode({"t": line, **fields}) + b"\n")
            self._file.flush()

    def offer(self, symbol: str, tape: str, number: int) -> None:
        """Notes the first event of a tape; later ones change nothing."""
        if (symbol, tape) not in self.offered:
            self.offered[symbol, tape] = number
            self.write("offered", symbol=symbol, tape=tape, id=number)

    def rows(self, symbol: str, tape: str, rows: Iterable[list[Any]]) -> None:
        """Appends the truth of a tape."""
        if self._file is None:
            return
        for row in rows:
            self._file.write(msgspec.json.encode({"t": "row", "symbol": symbol, "tape": tape, "row": row}) + b"\n")
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
