"""Measures what lies in a store: rows by age, and the bytes that they take, without reading all of it."""

import sqlite3

from gapless.model import HOUR, MINUTE
from gapless.ports import RowKind
from gapless.store.timed import Timed

_PAGES = 200  # of a table that are looked at to learn what a row takes
_TABLES: dict[RowKind, tuple[str, str]] = {
    "trades": ("trade", ""),
    "candles": ("candle", ""),
    "events": ("event", "at"),
    "log": ("log", "known_at"),
    "signals": ("signal", "start"),
}


class Measured(Timed):
    """Counts and sizes, as far as they can be had without reading the whole store."""

    def row_bytes(self, kind: RowKind) -> float | None:
        """Give the bytes on disk that a row takes, by some pages of its table; None where SQLite does not tell."""
        try:
            pages, rows = self.one(
                "SELECT total(pgsize), total(ncell * (pagetype = 'leaf')) FROM "
                "(SELECT pgsize, ncell, pagetype FROM dbstat WHERE name = ? LIMIT ?)",
                (_TABLES[kind][0], _PAGES),
            )
        except sqlite3.OperationalError:  # built without dbstat
            return None
        return pages / rows if rows else 0.0

    def unused_bytes(self) -> int:
        """Give the bytes of pages that deletes have freed: what comes uses them first, the file does not shrink."""
        return int(self.one("PRAGMA freelist_count")[0] * self.one("PRAGMA page_size")[0])

    def ladder_bytes(self, tape: int, first: int, last: int) -> tuple[int, int]:
        """Count the ladders of minutes `first` to `last` since 1970, and their bytes."""
        count, size = self.one(
            "SELECT count(ladder), total(length(ladder)) FROM minute WHERE tape = ? AND start BETWEEN ? AND ?",
            (tape, first * MINUTE, last * MINUTE),
        )
        return count, int(size)

    def older(self, kind: RowKind, before: int) -> int:
        """Count the events, signals or entries of the log from before a time; of these two all but the newest."""
        table, column = _TABLES[kind]
        key = {"log": "number", "signals": "id"}.get(kind)
        among = f"AND {key} < (SELECT max({key}) FROM {table})" if key else ""  # noqa: S608
        return int(self.one(f"SELECT count(*) FROM {table} WHERE {column} < ? {among}", (before,))[0])  # noqa: S608

    def hourly(self, kind: RowKind) -> int:
        """Count the events or entries of the log of the hour up to the newest one."""
        table, column = _TABLES[kind]
        key = "id" if kind == "events" else "number"
        newest = self.one(f"SELECT {key}, {column} FROM {table} ORDER BY {key} DESC LIMIT 1")  # noqa: S608
        if newest is None:
            return 0
        low, high, since = 0, newest[0], newest[1] - HOUR
        while low < high:  # the keys ascend with time
            middle = (low + high) // 2
            at = self.one(f"SELECT {column} FROM {table} WHERE {key} >= ? ORDER BY {key} LIMIT 1", (middle,))[0]  # noqa: S608
            low, high = (middle + 1, high) if at < since else (low, middle)
        return int(self.one(f"SELECT count(*) FROM {table} WHERE {key} >= ?", (low,))[0])  # noqa: S608
