"""What of a store stays and what goes: ranges that were asked for, ranges that expired, and the deletes themselves."""

from collections.abc import Sequence

from gapless.model import MINUTE
from gapless.ports import ExpiredKind, MinuteRow
from gapless.store.measured import Measured

# However old they are: what was brought whole, and which source was active when, belong to the ledger, and what comes
# first holds until it is changed.
_SIGNIFICANT = ("backfilled", "priority", "source_switch")


class Retained(Measured):
    """Deletes rows, a little at a time, and remembers what was dropped and what must stay."""

    def expired(self, tape: int, kind: ExpiredKind) -> list[tuple[int, int]]:
        """List what retention dropped of a tape, ascending: ids of trades, minutes since 1970 of ladders."""
        return self.connection.execute(
            "SELECT first, last FROM expired WHERE tape = ? AND kind = ? ORDER BY first", (tape, kind)
        ).fetchall()

    def put_expired(self, tape: int, kind: ExpiredKind, ranges: Sequence[tuple[int, int]], at: int) -> None:
        """Replace what is listed as dropped; a range that was there before keeps its time."""
        known = {
            (first, last): then
            for first, last, then in self.connection.execute(
                "SELECT first, last, at FROM expired WHERE tape = ? AND kind = ?", (tape, kind)
            )
        }
        self.connection.execute("DELETE FROM expired WHERE tape = ? AND kind = ?", (tape, kind))
        self.connection.executemany(
            "INSERT INTO expired (tape, kind, first, last, at) VALUES (?, ?, ?, ?, ?)",
            [(tape, kind, *pair, known.get(pair, at)) for pair in ranges],
        )

    def kept(self, tape: int) -> list[tuple[int, int]]:
        """List the ids of a tape that were imported or asked for, ascending: they do not age."""
        return self.connection.execute("SELECT first, last FROM kept WHERE tape = ? ORDER BY first", (tape,)).fetchall()

    def put_kept(self, tape: int, ranges: Sequence[tuple[int, int]]) -> None:
        """Replace the ids of a tape that do not age."""
        self.connection.execute("DELETE FROM kept WHERE tape = ?", (tape,))
        self.connection.executemany("INSERT INTO kept VALUES (?, ?, ?)", [(tape, *pair) for pair in ranges])

    def unfolded(self, tape: int, start: int, end: int) -> list[MinuteRow]:
        """List the minutes with trades that begin in [start, end) and have no stored fold."""
        rows = self.connection.execute(
            "SELECT start, first_seq FROM minute WHERE tape = ? AND start >= ? AND start < ? AND last_seq IS NULL "
            "ORDER BY start",
            (tape, start, end),
        )
        return [MinuteRow(begin, first, None) for begin, first in rows]

    def last_of(self, tape: int, first: int, last: int, rows: int) -> int | None:
        """Give the id of the last of the next `rows` trades with ids `first` to `last`; None when there are fewer."""
        found = self.one(
            "SELECT seq FROM trade WHERE tape = ? AND seq BETWEEN ? AND ? ORDER BY seq LIMIT 1 OFFSET ?",
            (tape, first, last, rows - 1),
        )
        return found[0] if found else None

    def drop_trades(self, tape: int, first: int, last: int) -> int:
        """Delete the trades with ids `first` to `last`; give how many there were."""
        return self._gone("DELETE FROM trade WHERE tape = ? AND seq BETWEEN ? AND ?", (tape, first, last))

    def drop_ladders(self, tape: int, first: int, last: int) -> int:
        """Delete the ladders of minutes `first` to `last` since 1970; the folds stay."""
        return self._gone(
            "UPDATE minute SET ladder = NULL WHERE tape = ? AND start BETWEEN ? AND ? AND ladder IS NOT NULL",
            (tape, first * MINUTE, last * MINUTE),
        )

    def drop_events(self, before: int, most: int) -> int:
        """Delete the oldest events from before a time, at most so many."""
        return self._gone(
            "DELETE FROM event WHERE id IN "
            "(SELECT id FROM event WHERE at < ? AND kind NOT IN (?, ?, ?) ORDER BY at LIMIT ?)",
            (before, *_SIGNIFICANT, most),
        )

    def drop_signals(self, before: int, most: int) -> int:
        """Delete the oldest signals of bars that began before a time, at most about so many, never the newest id.

        An id would be given again after it, and who knows the former would take the new one for it.
        """
        return self._gone(
            "DELETE FROM signal WHERE id IN (SELECT id FROM signal WHERE start < ? "
            "AND id < (SELECT max(id) FROM signal) ORDER BY start LIMIT ?)",
            (before, most),
        )

    def drop_log(self, before: int, most: int) -> int:
        """Delete whole commits known before a time from the old end of the log, about `most` entries, never the newest.

        What is younger ends it, whatever lies behind: a clock that jumped leaves more than it should, never less.
        """
        rows = self.connection.execute(
            "SELECT number, known_at FROM log WHERE number < (SELECT max(number) FROM log) "
            "ORDER BY number, item LIMIT ?",
            (most,),
        ).fetchall()
        young = next((number for number, known_at in rows if known_at >= before), None)
        if not rows or young == rows[0][0]:
            return 0
        oldest = rows[-1][0] + 1 if young is None else young
        self._gone("DELETE FROM remark WHERE number < ?", (oldest,))
        return self._gone("DELETE FROM log WHERE number < ?", (oldest,))

    def forget_archives(self, prefix: str) -> None:
        """Forget which archive files were imported, by the begin of their names: they may be imported again."""
        self.connection.execute("DELETE FROM archive WHERE substr(name, 1, ?) = ?", (len(prefix), prefix))

    def _gone(self, sql: str, params: tuple[int | str, ...]) -> int:
        return self.connection.execute(sql, params).rowcount
