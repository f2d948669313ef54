"""Collects the instruments of one venue: connections, order, repair."""

import asyncio
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from gapless.budget.host import Ceiling
from gapless.collect.books import Books
from gapless.collect.connection import Connection, Hooks
from gapless.collect.line import Line, load_line
from gapless.collect.pending import Pending
from gapless.collect.pipeline import Fast, Pipeline
from gapless.collect.repair import Repair
from gapless.collect.rest import RestClient
from gapless.collect.settings import CollectSettings, VenueSettings
from gapless.errors import CouldNot
from gapless.model import MINUTE, SECOND, Instrument, Tape, TapeKind
from gapless.model.times import parse_duration
from gapless.ports import BudgetStore, Clock, Http, Sockets, TapeReader, TapeStore
from gapless.protocol.session import Watch
from gapless.query.resolve import resolve
from gapless.tape.coverage import Range
from gapless.venues.spec import Stream, Venue

_TICK = SECOND // 10
_QUIET = 20 * SECOND  # without any event for this long, the venue is asked for its time
_TRADES: dict[str, TapeKind] = {"aggTrade": "agg", "trade": "trade"}


class Outside(Struct, frozen=True):
    """What a collector needs of the outside."""

    store: TapeStore
    reader: TapeReader
    http: Http
    sockets: Sockets
    budgets: BudgetStore
    clock: Clock
    note: Callable[..., None]
    fast: Fast
    record: Callable[[str, list[bytes], int], None]


class Collector:
    """One venue, collected: `prepare`, then `run`; `settle` compares every tape with the venue and repairs."""

    def __init__(self, venue: Venue, settings: VenueSettings, collect: CollectSettings, outside: Outside) -> None:
        self.venue = venue
        self.pending = Pending()
        self.hosts = venue.hosts(settings.environment, settings.sim_url or None)
        self.connections: list[Connection] = []
        self.arrived: Callable[[], None] = lambda: None
        self._settings = settings
        self._collect = collect
        self._outside = outside
        self._clock = outside.clock
        within = parse_duration(collect.resume_within)
        self.pipeline = Pipeline(venue, self.pending, resume_within=within, fast=outside.fast)
        weight = settings.weight_per_minute or venue.limits.weight_per_minute
        ceiling = Ceiling(
            weight_per_minute=min(weight, venue.limits.weight_per_minute),
            reserve=settings.reserve,
            min_interval_ms=settings.min_interval_ms,
            requests_per_hour=settings.requests_per_hour,
        )
        self.rest = RestClient(
            outside.http, outside.budgets, outside.clock, venue, ceiling, api_key=settings.api_key or None
        )
        self.books = Books(venue, self.rest, self.hosts, outside.clock)
        self.pipeline.depth = self.books.diff
        self.repair = Repair(
            self.pipeline, self.rest, self.hosts, outside.clock, http=outside.http, time_before=self._time_before
        )

    def _time_before(self, tape: Tape, seq: int) -> int:
        before = self._outside.reader.trade_before(tape.id, seq)
        return before.time if before else 0

    async def prepare(self, names: list[str]) -> None:
        """Learn the instruments from the venue, or from the store where the venue does not answer; open the tapes."""
        known = await self._instruments(names)
        history = parse_duration(self._collect.history) // MINUTE
        kind = _TRADES[self._settings.trades_stream]
        streams: list[Stream] = []
        for name in names:
            instrument = resolve(name, known, where=f"{self.venue.name} lists")
            line = self._open(instrument, kind, history)
            self.pipeline.lines[instrument.id] = line
            if instrument.id in self._collect.books:
                self.books.keep(line.instrument)
            streams += self._streams(line.instrument, kind)
        self.pipeline.watch(streams)
        self._connect(streams)

    async def _instruments(self, names: list[str]) -> list[Instrument]:
        stored = [i for i in self._outside.store.instruments() if i.venue == self.venue.name]
        everything_known = all(any(i.id == name for i in stored) for name in names)
        try:
            body = await self.rest.get(self.venue.history.instruments_request(self.hosts), patient=not everything_known)
        except CouldNot as trouble:
            self._outside.note("instruments_stored", self.venue.name, reason=str(trouble))
            return stored
        return self.venue.history.instruments(body)

    def _open(self, instrument: Instrument, kind: TapeKind, history: int) -> Line:
        store = self._outside.store
        store.put_instrument(instrument)
        kept = next(i for i in store.instruments() if i.id == instrument.id)
        line = load_line(store, kept, store.open_tape(kept.id, kind), store.open_tape(kept.id, "bars"))
        if line.bars:
            line.bars.history = history
        return line

    def _streams(self, instrument: Instrument, kind: TapeKind) -> list[Stream]:
        kinds: list[Any] = [kind, "bars"]
        kinds += ["ticker"] if self._collect.tickers else []
        kinds += ["quote"] if self._collect.quotes else []
        kinds += ["depth"] if instrument.id in self._collect.books else []
        return [self.venue.streams.stream(instrument, one) for one in kinds]

    def _connect(self, streams: list[Stream]) -> None:
        """Lay the streams on connections: by group, at most as many each as the venue allows."""
        hooks = Hooks(self._outside.record, self._probe, self._outside.note, self._arrived)
        most = self.venue.limits.streams_per_connection
        for group in sorted({stream.group for stream in streams}):
            mine = [stream for stream in streams if stream.group == group]
            for number, at in enumerate(range(0, len(mine), most), 1):
                self.connections.append(
                    Connection(
                        f"{self.venue.name}/{group}/{number}",
                        group,
                        mine[at : at + most],
                        pipeline=self.pipeline,
                        hosts=self.hosts,
                        sockets=self._outside.sockets,
                        clock=self._clock,
                        hooks=hooks,
                        watch=Watch(),
                    )
                )

    def _arrived(self) -> None:
        self.arrived()

    def tapes(self) -> list[int]:
        """List the tapes that are collected, by the store's key."""
        return [track.tape.id for line in self.pipeline.lines.values() for track in (line.trades, line.bars) if track]

    def primary(self) -> dict[str, Tape]:
        """Give the tape that each instrument's folds come from."""
        return {name: line.trades.tape for name, line in self.pipeline.lines.items() if line.trades}

    def holes(self) -> list[tuple[Tape, Range]]:
        """List what is wanted now and not held."""
        return [
            (track.tape, hole)
            for line in self.pipeline.lines.values()
            for track in (line.trades, line.bars)
            if track
            for hole in track.holes()
        ]

    async def run(self) -> None:
        """Collect for ever."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for connection in self.connections:
                group.create_task(connection.run(), name=connection.name)
            group.create_task(self.books.run(), name=f"{self.venue.name}/books")
            group.create_task(self.repair.run(), name=f"{self.venue.name}/repair")
            while True:
                mono = self._clock.monotonic()
                self.pipeline.ticked(mono)
                if mono - self.pipeline.clock.silent_since > _QUIET and self.pipeline.lines:
                    self.pipeline.clock.saw(self.pipeline.clock.now(mono), mono)
                    group.create_task(self._read_clock(), name=f"{self.venue.name}/clock")
                await self._clock.sleep(_TICK)

    async def _read_clock(self) -> int:
        body = await self.rest.get(self.venue.history.time_request(self.hosts))
        time = self.venue.history.time(body)
        self.pipeline.clock.saw(time, self._clock.monotonic())
        return time

    def _probe(self, connection: Connection, stream: Stream) -> None:
        self._group.create_task(self._look(connection, stream), name=f"{connection.name}/probe")

    async def _look(self, connection: Connection, stream: Stream) -> None:
        """Ask the venue whether a silent stream should have spoken, and give it a second to do so."""
        session = connection.session
        spoken = session.subscriptions[stream.name].events
        line = self.pipeline.lines[stream.instrument]
        ahead = await self.repair.probe(line)
        if ahead:
            await self._clock.sleep(SECOND)
        if connection.session is not session or session.subscriptions[stream.name].events > spoken:
            return
        if ahead:
            connection.silent(stream)
        else:
            session.quiet(stream.name)

    async def settle(self) -> None:
        """Compare every tape's newest id with the venue once, then wait until no hole is left."""
        time = await self._read_clock()
        for line in self.pipeline.lines.values():
            await self.repair.probe(line)
        self.pipeline.due_bars(time)
        while self.holes():
            await self._clock.sleep(SECOND // 10)
