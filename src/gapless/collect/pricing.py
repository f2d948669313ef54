"""Prices what each source would need for a hole: REST page by page, the archive by the file of its day."""

from collections.abc import Callable

from gapless.collect.line import Track
from gapless.collect.sources import Ask, Sources
from gapless.model import DAY, MINUTE, Tape, iso
from gapless.tape.coverage import Range
from gapless.tape.page import Mark
from gapless.tape.route import Offer
from gapless.venues.spec import Venue


class Pricing:
    """What the sources of one venue would need. `now` gives the venue's time, ns UTC, 0 while it is not known."""

    def __init__(
        self, sources: Sources, venue: Venue, now: Callable[[], int], trade_before: Callable[[Tape, int], Mark | None]
    ) -> None:
        self._sources = sources
        self._limits = venue.limits
        self._now = now
        self._trade_before = trade_before

    def offers(self, track: Track, hole: Range, *, bars: bool) -> tuple[list[Offer], str]:
        """List what REST, and the archive once its file is due, need for a hole; and why the archive is left out."""
        at = self._at(track, hole, bars=bars)
        offers = [self._rest(track, hole, at, bars=bars)]
        if not at or not self._sources.has_archive(track.tape):
            return offers, ""
        day = at - at % DAY
        if not self._sources.published(day):
            return offers, f"the file of {iso(day)[:10]} is not published yet; the hole waits for it"
        return [*offers, Offer("archive", 1, 0)], ""

    def too_old(self, track: Track, hole: Range, *, bars: bool) -> bool:
        """Say whether a hole lies before what REST serves, where there is an archive that may have it."""
        window = self._limits.recent_trades_window
        if bars or window is None or not self._sources.has_archive(track.tape):
            return False
        return 0 < self._at(track, hole, bars=bars) < self._now() - window

    def _at(self, track: Track, hole: Range, *, bars: bool) -> int:
        """Give the time at which a hole begins, as the row before it tells, ns UTC; 0 where nothing is held there."""
        if bars:
            return hole[0] * MINUTE
        before = self._trade_before(track.tape, hole[0])
        return before[1] if before else 0

    def _rest(self, track: Track, hole: Range, at: int, *, bars: bool) -> Offer:
        """Price what REST needs for as much as the file of the day would bring."""
        size = self._limits.page_bars if bars else self._limits.page_trades
        end = at - at % DAY + DAY
        last = end // MINUTE - 1 if bars else hole[0] + self._ids_until(track, hole[0], at, end)
        missing = sum(b - a + 1 for a, b in track.sequence.coverage.missing(hole[0], max(last, hole[0])))
        requests = max(-(-missing // size), 1)
        if bars:
            request = self._sources.bars_request(track.tape, at, at + min(missing + 1, size) * MINUTE)
        else:
            ask = Ask(tape=track.tape, first=hole[0], last=hole[0], joint=hole[0])
            request = self._sources.trades_request(ask)
        return Offer("rest", requests, requests * request.weight)

    def _ids_until(self, track: Track, first: int, at: int, end: int) -> int:
        """Estimate how many ids lie between one and the end of its day, by the rate at which they came since."""
        if not at or track.newest is None or track.newest_time <= at:
            return 0
        return max(min((track.newest - first) * (end - at) // (track.newest_time - at), track.newest - first), 0)
