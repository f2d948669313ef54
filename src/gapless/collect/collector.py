"""Collects the instruments of one venue: connections, order, repair."""

import asyncio
from collections.abc import Callable, Collection, Iterable
from typing import Any

from gapless.collect.books import Books
from gapless.collect.connection import Connection
from gapless.collect.degrading import Degrading
from gapless.collect.demand import Supply
from gapless.collect.line import Line, load_line
from gapless.collect.listed import Listing
from gapless.collect.listings import Listings
from gapless.collect.outside import Outside
from gapless.collect.pending import Pending
from gapless.collect.pipeline import Pipeline
from gapless.collect.priorities import Priorities
from gapless.collect.repair import Repair
from gapless.collect.rest import RestClient
from gapless.collect.settings import CollectSettings, VenueSettings, as_set, ceiling_of, kind_of
from gapless.collect.timing import Timing
from gapless.collect.watchdog import Watchdog
from gapless.collect.wiring import Wiring
from gapless.errors import BadInput, StoreBusy
from gapless.model import HOUR, MINUTE, SECOND, Instrument, Tape, TapeKind
from gapless.model.times import parse_duration
from gapless.query.resolve import resolve
from gapless.tape.coverage import Range
from gapless.venues.spec import Stream, Venue

_TICK = SECOND // 10
_NEVER = 2**62
_HOUR_S = HOUR // SECOND
_BREAKS = {"disconnected": "disconnect", "silent": "silent"}


def streams_of(
    venue: Venue, instrument: Instrument, kind: TapeKind, collect: CollectSettings, books: str = "", *, book: bool
) -> list[Stream]:
    """Name the streams of an instrument; what every connection carries by itself is of no single one."""
    kinds: list[Any] = [kind, "bars", "heartbeat"]
    kinds += ["ticker"] if collect.tickers else []
    kinds += ["quote"] if collect.quotes else []
    kinds += ["depth"] if book else []
    pushed, named = venue.streams.kinds, {"depth": books}
    found = [venue.streams.stream(instrument, one, named.get(one, "")) for one in kinds if one in pushed]
    return [one for one in found if one.kind not in {other.kind for other in venue.streams.standing(one.group)}]


class Collector:
    """One venue, collected: `prepare`, then `run`; `settle` compares every tape with the venue and repairs."""

    def __init__(self, venue: Venue, settings: VenueSettings, collect: CollectSettings, outside: Outside) -> None:
        self.venue = venue = as_set(venue, settings)
        self.pending = Pending()
        self.hosts = venue.hosts(settings.environment, settings.sim_url or None)
        self.pinned: set[str] = set()
        self.priority: set[str] = set()
        self._priorities = Priorities(self.priority, venue.name, collect.priority)
        self.arrived: Callable[[], None] = lambda: None
        self._settings = settings
        self._collect = collect
        self._outside = outside
        self._clock = outside.clock
        within = parse_duration(collect.resume_within)
        self.pipeline = Pipeline(venue, self.pending, resume_within=within, fast=outside.fast)
        ceiling = ceiling_of(settings, venue.limits)
        self.rest = RestClient(
            outside.http, outside.budgets, outside.clock, venue, ceiling,
            api_key=settings.api_key or None, note=outside.note,
        )  # fmt: skip
        self.repair = Repair(
            self.pipeline, self.rest, self.hosts, outside.clock,
            http=outside.http, trade_before=self._trade_before, expired=self._expired, archive=settings.archive,
        )  # fmt: skip
        self.listing = Listing(venue, self.hosts, self.rest, outside.store, outside.note)
        self.listings = Listings(
            self.pipeline, self.rest, self.hosts, outside.clock,
            listed=self.listing.known, ended=self._ended,
        )  # fmt: skip
        self.pipeline.statuses = self.listings.told
        self.watchdog = Watchdog(self.repair, self.pipeline.lines, outside.clock)
        self.wiring = Wiring(
            self.pipeline, self.hosts, settings, outside,
            suspects=self.watchdog.suspects, note=self._note, arrived=self._arrived,
            first=self.priority, streamed=collect.streams,
        )  # fmt: skip
        self.books = Books(venue, self.rest, self.hosts, outside.clock, self.wiring.renew)
        self.pipeline.depth = self.books.diff
        self.rotations = 0
        self.rotations_failed = 0
        self._timing = Timing(self.pipeline, self.rest, self.hosts, outside.clock, outside.note)
        self.degrading = Degrading(
            self.pipeline, self.wiring.connections, outside.clock, outside.note, streamed=collect.streams
        )

    @property
    def connections(self) -> list[Connection]:
        """Its connections."""
        return self.wiring.connections

    def _expired(self, tape: Tape) -> list[Range]:
        return self._outside.reader.expired(tape.id, "trades")

    def _trade_before(self, tape: Tape, seq: int) -> tuple[int, int] | None:
        before = self._outside.reader.trade_before(tape.id, seq)
        return (before.seq, before.time) if before else None

    async def prepare(
        self, names: list[str], *, known: list[Instrument] | None = None, movers: Iterable[Instrument] = (),
        anew: Collection[str] = (),
    ) -> None:  # fmt: skip
        """Learn the instruments, `known` or as listed, and open the tapes of those named and of `movers`.

        Those of which the ids are in `anew` begin with what comes now, whatever an earlier run left of them.
        """
        known = known if known is not None else await self.listing.known(names)
        self._priorities.begin(self._outside.reader, known)
        where = f"{self.venue.name} lists"
        chosen = {one.id: one for one in (resolve(name, known, where=where) for name in names)}
        self.pinned = set(chosen)
        books = self._books(known)
        if strange := sorted(books - chosen.keys()):
            raise BadInput(f"collect.books: {strange[0]} is not collected; allowed are {', '.join(sorted(chosen))}")
        for instrument in ({one.id: one for one in movers} | chosen).values():
            fresh = instrument.id in anew and instrument.id not in chosen
            self._begin(instrument, book=instrument.id in books, anew=fresh)
        self.wiring.loads.expect(self.listing.tickers)
        self.wiring.lay()

    def _begin(self, instrument: Instrument, *, book: bool = False, anew: bool = False) -> None:
        """Take an instrument up, with its tapes as the store left them."""
        kind = kind_of(self._settings, self.venue)
        history = parse_duration(self._collect.history)
        line = self._open(instrument, kind, history // MINUTE)
        self._expect(instrument.id)
        if anew:
            line.begins_anew(self.pipeline.clock.now(self._clock.monotonic()) - history)
        self.pipeline.lines[instrument.id] = line
        if book:
            self.books.keep(line.instrument)
        streams = streams_of(self.venue, line.instrument, kind, self._collect, self._settings.books_stream, book=book)
        self.pipeline.watch(streams)
        self._outside.locks.hold(self._tapes_of(line))
        for start in self._outside.store.waiting(instrument.id):
            self.pending.due(instrument.id, start)  # nothing that comes now could throw light on it

    def _expect(self, name: str) -> None:
        """Expect of an instrument what its last stored hour brought."""
        store = self._outside.store
        if newest := store.newest_candle(name):
            rows = store.candles(name, newest.start - HOUR + MINUTE, newest.start + MINUTE)
            self.wiring.loads.traded(name, sum(max(row.trades or 0, 0) for row in rows) / _HOUR_S)

    def _books(self, known: list[Instrument]) -> set[str]:
        """Give the ids of this venue whose full book is to be kept."""
        mine = [text for text in self._collect.books if text.partition(":")[0] == self.venue.name]
        return {resolve(text, known, where=f"{self.venue.name} lists").id for text in mine}

    def _open(self, instrument: Instrument, kind: TapeKind, history: int) -> Line:
        store = self._outside.store
        store.put_instrument(instrument)
        kept = next(i for i in store.instruments() if i.id == instrument.id)
        tapes = store.open_tape(kept.id, kind), store.open_tape(kept.id, "bars")
        line = load_line(store, kept, *tapes)
        if line.bars:
            line.bars.history = history
        return line

    async def change(self, add: list[str], remove: list[str]) -> dict[str, str]:
        """Begin and end instruments while everything else goes on; give those refused, each with the reason."""
        refused = {name: "it is not collected" for name in remove if name not in self.pipeline.lines}
        begin: dict[str, Instrument] = {}
        if fresh := [name for name in add if name not in self.pipeline.lines]:
            known = await self.listing.known(fresh)
            for name in fresh:
                try:
                    begin[name] = resolve(name, known, where=f"{self.venue.name} lists")
                except BadInput as mistake:
                    refused[name] = str(mistake)
        self.pinned |= {*add, *(one.id for one in begin.values())}
        self.pinned -= set(remove)
        held_back = await self.swap(begin.values(), remove)
        return refused | {name: held_back[one.id] for name, one in begin.items() if one.id in held_back}

    def prioritise(self, add: Iterable[str], remove: Iterable[str]) -> None:
        """Put ids first, and others no longer."""
        self._priorities.change(add, remove, self.pending, self._clock)
        self.wiring.hurry()

    async def swap(self, begin: Iterable[Instrument], end: Iterable[str], *, anew: bool = False) -> dict[str, str]:
        """Begin and end instruments by rotation, without asking for anything; give those refused, with the reason.

        What begins `anew` begins with what comes now, whatever was held of it.
        """
        refused: dict[str, str] = {}
        for instrument in begin:
            try:
                if instrument.id not in self.pipeline.lines:
                    self._begin(instrument, anew=anew)
            except StoreBusy as busy:
                if instrument.id in self.pipeline.lines:
                    self.pipeline.forget(instrument.id, self._clock.monotonic())
                refused[instrument.id] = str(busy)
        for name in end:
            if line := self.pipeline.lines.get(name):
                self.pipeline.forget(name, self._clock.monotonic())
                self._outside.locks.free(self._tapes_of(line))
        self.wiring.loads.expect(self.listing.tickers)
        await self.wiring.relay()
        return refused

    def _arrived(self) -> None:
        self.arrived()

    def _tapes_of(self, line: Line) -> dict[int, str]:
        return {track.tape.id: track.tape.instrument for track in line.tracks}

    async def _ended(self, instrument: Instrument) -> None:
        """Learn that an instrument is not traded now: of a delisted one nothing more is collected."""
        self._outside.store.put_instrument(instrument)
        self._outside.note(instrument.status, instrument.id)
        if instrument.status == "delisted":
            await self.change([], [instrument.id])

    def primary(self) -> dict[str, Tape]:
        """Give the tape that each instrument's folds come from."""
        return {name: line.trades.tape for name, line in self.pipeline.lines.items() if line.trades}

    def since(self) -> dict[str, int]:
        """Give the minute since which each instrument is collected live, ns UTC."""
        return {
            name: line.bars.live * MINUTE
            for name, line in self.pipeline.lines.items()
            if line.bars and line.bars.live is not None
        }

    def holes(self) -> list[tuple[Tape, Range]]:
        """List what is wanted now and not held."""
        return [
            (track.tape, hole)
            for line in self.pipeline.lines.values()
            for track in line.tracks
            for hole in track.holes()
        ]

    def supply(self) -> Supply:
        """Give what questions may fetch with: the same client, so that everything goes through one budget."""
        return Supply(
            venue=self.venue, hosts=self.hosts, rest=self.rest, http=self._outside.http, clock=self._clock,
            ceiling=ceiling_of(self._settings, self.venue.limits), kind=kind_of(self._settings, self.venue),
            archive=self._settings.archive, now=lambda: self.pipeline.clock.now(self._clock.monotonic()),
            own=self._looked_after,
        )  # fmt: skip

    def _looked_after(self, name: str, trades: bool) -> list[Range]:
        """List the times, ns UTC, of which repair asks by itself for what is missing."""
        line = self.pipeline.lines.get(name)
        track = (line.trades if trades else line.bars) if line else None
        if track is None or track.begins is None:
            return []
        if not trades:
            return [(first * MINUTE, (last + 1) * MINUTE) for first, last in track.holes()]
        first = self._outside.reader.trade_after(track.tape.id, track.begins - 1)
        begins = first.time if first else self.pipeline.clock.now(self._clock.monotonic())
        return [(begins - begins % MINUTE + MINUTE, _NEVER)]  # the minute that it begins in has a part before

    async def run(self) -> None:
        """Collect for ever."""
        async with asyncio.TaskGroup() as group:
            self.watchdog.tasks = group
            self.wiring.run(group)
            group.create_task(self.books.run(), name=f"{self.venue.name}/books")
            group.create_task(self.repair.run(), name=f"{self.venue.name}/repair")
            group.create_task(self.listings.run(), name=f"{self.venue.name}/listings")
            while True:
                mono = self._clock.monotonic()
                self._timing.look(mono)
                self.degrading.look()
                self.pipeline.ticked(mono)
                self.wiring.look()
                if self._timing.is_due(mono):
                    group.create_task(self._timing.ask(), name=f"{self.venue.name}/clock")
                await self._clock.sleep(_TICK)

    def _note(self, name: str, subject: str, **fields: object) -> None:
        """Pass an event of a connection on, and remember what made the holes that follow it."""
        self.rotations += name == "rotated"
        self.rotations_failed += name == "rotate_failed"
        if name in _BREAKS:
            cause = "backpressure" if self.pipeline.pressed else _BREAKS[name]
            self.pipeline.broke(cause, self._clock.monotonic())
        self.degrading.heard(name, subject, fields)
        self._outside.note(name, subject, **fields)

    async def settle(self) -> None:
        """Compare every tape's newest id with the venue once, then wait until no hole is left."""
        time = await self._timing.ask()
        self.repair.at_once()
        for line in list(self.pipeline.lines.values()):
            await self.repair.catch_up(line)
        if time is not None:
            self.pipeline.due_bars(time)
        while self.holes():
            await self._clock.sleep(SECOND // 10)
