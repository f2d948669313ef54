"""Keeps full order books: diffs from the stream, snapshots by REST whenever the sequence asks for one."""

import asyncio
from typing import Any

from msgspec import Struct

from gapless.budget.priority import Priority
from gapless.collect.rest import RestClient
from gapless.errors import UNREADABLE, BadNumber, CouldNot
from gapless.model import SECOND, Instrument
from gapless.model.book import BookState, DepthDiff
from gapless.model.number import plain
from gapless.model.times import iso
from gapless.ports import Clock
from gapless.tape.book import Book
from gapless.venues.spec import Hosts, Venue

_BETWEEN = 2 * SECOND  # snapshots are dear: one that came too early is not asked for again at once


class _Kept(Struct):
    """The book of one instrument and whether a snapshot of it is under way."""

    instrument: Instrument
    book: Book
    wanted: asyncio.Event
    snapshots: int = 0


class Books:
    """The full books of one venue."""

    def __init__(self, venue: Venue, rest: RestClient, hosts: Hosts, clock: Clock) -> None:
        self._venue = venue
        self._rest = rest
        self._hosts = hosts
        self._clock = clock
        self._books: dict[str, _Kept] = {}

    def keep(self, instrument: Instrument) -> None:
        """Keep the book of an instrument from now on."""
        self._books[instrument.id] = _Kept(instrument, Book(), asyncio.Event())

    def diff(self, instrument: str, diff: DepthDiff) -> None:
        """Take a change; a break in the sequence asks for a snapshot."""
        kept = self._books.get(instrument)
        if kept is None:
            return
        event = kept.book.diff(diff)
        if event.wants_snapshot or kept.book.state is BookState.WAITING:
            kept.wanted.set()

    async def run(self) -> None:
        """Fetch snapshots for ever, one book after the other."""
        async with asyncio.TaskGroup() as group:
            for kept in self._books.values():
                group.create_task(self._follow(kept), name=f"{kept.instrument.id}/book")

    async def _follow(self, kept: _Kept) -> None:
        tape = kept.instrument.scale("trade")
        history = self._venue.history
        while True:
            await kept.wanted.wait()
            kept.wanted.clear()
            try:
                request = history.depth_request(self._hosts, kept.instrument.symbol)
                body = await self._rest.get(request, priority=Priority.BARS)
                snapshot = history.depth(body, tape)
            except (*UNREADABLE, CouldNot, BadNumber):
                kept.wanted.set()
            else:
                kept.snapshots += 1
                if kept.book.snapshot(snapshot).wants_snapshot:
                    kept.wanted.set()
            await self._clock.sleep(_BETWEEN)

    def top(self, instrument: str, depth: int) -> dict[str, Any] | None:
        """Give the best levels, best first, as plain decimals; None where the book is not kept."""
        kept = self._books.get(instrument)
        if kept is None:
            return None
        bids, asks = kept.book.top(depth) if kept.book.state is BookState.LIVE else ([], [])
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
