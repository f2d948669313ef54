"""Which commit was the newest at a time, and candles as they stood after a commit."""

import msgspec

from gapless.errors import BadInput
from gapless.model import SECOND, Candle, iso
from gapless.store.rows import CANDLE, candle_of_plain, candle_of_row, remarked
from gapless.store.signals import Signals

DISORDER = 60 * SECOND  # a commit waits up to 30 s for another writer after it was given its time


class Timed(Signals):
    """Tells which commit was the newest at a time, and candles as they stood after a commit."""

    def number_at(self, at: int) -> int:
        """Give the newest commit that was known at a time (ns UTC of this machine), 0 where none was.

        What counts is the order of commits: before the first one that was known later than `at`, everything was known,
        and nothing after it. Raises `BadInput` where the log no longer reaches back so far.
        """
        oldest, newest = self.log_span()
        if newest and oldest > 1 and at < self._known_at(oldest):
            raise BadInput(
                f"as_of: what was known at {iso(at)} can no longer be told; the log reaches back to "
                f"{iso(self._known_at(oldest))} (store.keep_log)"
            )
        # Commits are made in the order of their numbers, while their times, taken before they waited for each other,
        # may be out of it by a little: of those around the place the first that is later decides.
        low, high = self._crossing(at - DISORDER, oldest, newest), self._crossing(at, oldest, newest)
        later = self.one(
            "SELECT min(number) FROM log WHERE number > ? AND number <= ? AND known_at > ?", (low, high, at)
        )[0]
        return high if later is None else int(later) - 1

    def _crossing(self, at: int, oldest: int, newest: int) -> int:
        """Give a commit known at a time whose successor was not; the one before the oldest where none was."""
        low, high = oldest - 1 if newest else 0, newest
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self._known_at(middle) <= at else (low, middle - 1)
        return low

    def _known_at(self, number: int) -> int:
        return int(self.one("SELECT known_at FROM log WHERE number >= ? ORDER BY number LIMIT 1", (number,))[0])

    def candle_as_of(self, instrument: str, start: int, number: int) -> Candle | None:
        """Give a closed candle as it stood after a commit."""
        return next(iter(self.candles_as_of(instrument, start, start + 1, number)), None)

    def candles_as_of(self, instrument: str, start: int, end: int, number: int) -> list[Candle]:
        """List the closed 1m candles that begin in [start, end) as they stood after a commit."""
        return [candle for candle, _ in self.stood(instrument, start, end, number)]

    def stood(self, instrument: str, start: int, end: int, number: int) -> list[tuple[Candle, bool]]:
        """List candles as they stood after a commit, each with whether its values still stand."""
        scale = self.scale(instrument)
        rows = self.connection.execute(
            f"SELECT {CANDLE} FROM candle WHERE instrument = ? AND resolution = 1 "  # noqa: S608
            "AND start >= ? AND start < ? AND revision >= 0 AND written <= ?",
            (scale.key, start, end, number),
        )
        found = [(candle_of_row(row, scale.unit), True) for row in rows]
        former = self.connection.execute(
            "SELECT candle FROM revision WHERE instrument = ? AND start >= ? AND start < ? "
            "AND written <= ? AND replaced > ?",
            (scale.key, start, end, number, number),
        )
        found += [(candle_of_plain(msgspec.msgpack.decode(blob)), False) for (blob,) in former]
        before = {
            (at, revision): (origin, marks)
            for at, revision, origin, marks in self.connection.execute(
                "SELECT start, revision, origin, marks FROM remark WHERE instrument = ? AND start >= ? AND start < ? "
                "AND number > ? ORDER BY number DESC",
                (scale.key, start, end, number),
            )
        }
        if before:
            found = [(remarked(c, before.get((c.start, c.revision))), stands) for c, stands in found]
        return sorted(found, key=lambda pair: pair[0].start)
