"""Keeps full order books: diffs from the stream, and a snapshot, by REST or by stream, whenever the sequence asks."""

import asyncio
from collections.abc import Callable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from gapless.budget.priority import Priority
from gapless.collect.rest import RestClient
from gapless.errors import UNREADABLE, BadNumber, CouldNot
from gapless.model import SECOND, Instrument
from gapless.model.book import BookState, DepthDiff, DepthSnapshot
from gapless.model.number import plain
from gapless.model.times import iso
from gapless.ports import Clock
from gapless.tape.book import Book
from gapless.venues.spec import Hosts, Venue

_BETWEEN = 2 * SECOND  # snapshots are dear: one that came too early is not asked for again at once
_BETWEEN_MOST = 60 * SECOND  # where a stream was begun anew and brought none, it is each time longer


class _Kept(Struct):
    """The book of one instrument and whether a snapshot of it is under way."""

    instrument: Instrument
    book: Book
    wanted: asyncio.Event
    snapshots: int = 0

    @property
    def live(self) -> bool:
        """Whether its levels are those of the venue."""
        return self.book.state is BookState.LIVE


class Books:
    """The full books of one venue. `renew` has the stream of an instrument's book begin anew, with a snapshot."""

    def __init__(
        self, venue: Venue, rest: RestClient, hosts: Hosts, clock: Clock, renew: Callable[[str], None]
    ) -> None:
        self._venue = venue
        self._rest = rest
        self._hosts = hosts
        self._clock = clock
        self._renew = renew
        self._books: dict[str, _Kept] = {}

    def keep(self, instrument: Instrument) -> None:
        """Keep the book of an instrument from now on."""
        self._books[instrument.id] = _Kept(instrument, Book(), asyncio.Event())

    def diff(self, instrument: str, diff: DepthDiff | DepthSnapshot) -> None:
        """Take a change; a break in the sequence asks for a snapshot. One that a stream brings begins the book anew."""
        kept = self._books.get(instrument)
        if kept is None:
            return
        if isinstance(diff, DepthSnapshot):
            kept.snapshots += 1
            kept.book = Book(keep=0, linked=bool(diff.last))
            kept.book.snapshot(diff)
            return
        if self._venue.snapshots is None and not diff.last:
            at = kept.book.last  # the venue numbers nothing: what comes follows what came
            diff = replace(diff, first=at + 1, last=at + 1, previous=at)
        event = kept.book.diff(diff)
        lost = self._venue.snapshots is None and not kept.live  # the snapshot that was to come
        if event.wants_snapshot or kept.book.state is BookState.WAITING or lost:
            kept.wanted.set()

    async def run(self) -> None:
        """Fetch snapshots for ever, one book after the other."""
        async with asyncio.TaskGroup() as group:
            for kept in self._books.values():
                group.create_task(self._follow(kept), name=f"{kept.instrument.id}/book")

    async def _follow(self, kept: _Kept) -> None:
        if (source := self._venue.snapshots) is None:
            await self._follow_stream(kept)
            return
        tape = kept.instrument.scale("trade")
        while True:
            await kept.wanted.wait()
            kept.wanted.clear()
            try:
                request = source.depth_request(self._hosts, kept.instrument.symbol)
                body = await self._rest.get(request, priority=Priority.BARS)
                snapshot = source.depth(body, tape)
            except (*UNREADABLE, CouldNot, BadNumber):
                kept.wanted.set()
            else:
                kept.snapshots += 1
                if kept.book.snapshot(snapshot).wants_snapshot:
                    kept.wanted.set()
            await self._clock.sleep(_BETWEEN)

    async def _follow_stream(self, kept: _Kept) -> None:
        """Have the stream begin anew where the book broke; its first snapshot comes by itself, if it is not lost."""
        pause = _BETWEEN
        while True:
            await kept.wanted.wait()
            kept.wanted.clear()
            if kept.book.state is BookState.WAITING:
                await self._clock.sleep(_BETWEEN)
            if not kept.live:
                self._renew(kept.instrument.id)
                await self._clock.sleep(pause)
                pause = _BETWEEN if kept.live else min(pause * 2, _BETWEEN_MOST)

    def top(self, instrument: str, depth: int) -> dict[str, Any] | None:
        """Give the best levels, best first, as plain decimals; None where the book is not kept."""
        kept = self._books.get(instrument)
        if kept is None:
            return None
        bids, asks = kept.book.top(depth) if kept.live else ([], [])
        p, s = kept.instrument.price_digits, kept.instrument.size_digits
        return {
            "instrument": instrument,
            "state": kept.book.state.value,
            "update": kept.book.last,
            "time": iso(kept.book.time) if kept.book.time else None,
            "snapshots": kept.snapshots,
            "bids": [[plain(price, p), plain(size, s)] for price, size in bids],
            "asks": [[plain(price, p), plain(size, s)] for price, size in asks],
        }
