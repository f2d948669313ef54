"""Composition: from settings to a running system; the only place that names concrete adapters."""

import asyncio
import gc
import os
import signal
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

from gapless.adapters import open_store
from gapless.announcing import Announcer
from gapless.changing import current_ticker, put_first
from gapless.collect.collector import Collector
from gapless.collect.disk import room_of, watch_disk
from gapless.collect.movers import Movers
from gapless.collect.outside import Outside
from gapless.collect.products import products
from gapless.collect.recorder import Recorder
from gapless.collect.storage import Storage
from gapless.collect.writer import Writer
from gapless.config import Settings
from gapless.deliver.receivers import receivers_of
from gapless.delivering import deliveries_of
from gapless.derive.deriver import Deriver
from gapless.derive.settle import Commit, Settled
from gapless.errors import BadInput, GaplessError
from gapless.faces import Faces
from gapless.hub import Hub, TickerUpdate
from gapless.jobs import jobs_of
from gapless.log import Log
from gapless.model import MS, SECOND, Candle, Environment, Instrument
from gapless.net.clock import SystemClock
from gapless.net.process import Programs
from gapless.net.rest import AiohttpRest
from gapless.net.websocket import PicowsSockets
from gapless.query.hot import Hot, hot_reader
from gapless.sourcing import Sourcing
from gapless.startup import by_venue, calm_collector, first_of, untouched
from gapless.status import Status
from gapless.store.budget import SqliteBudget, state_folder
from gapless.store.locks import TapeLocks
from gapless.store.sqlite import SqliteStore, sqlite_path
from gapless.venues.registry import venue

_STOP_WITHIN = 5.0
_SWEEP = 60 * SECOND
_OTHERS = SECOND // 2  # how often commits of other processes are looked for


class Engine:
    """A running gapless: collectors, writer, faces. `run` returns after `stop`."""

    def __init__(
        self, settings: Settings, ids: list[str] | None = None, *, log: Log | None = None, record: Path | None = None
    ) -> None:
        names = ids or settings.collect.instruments
        movers = settings.movers.venue
        if not names and not movers:
            raise BadInput(
                "nothing to collect: name instruments or a venue, as in `gapless run binance:BTCUSDT` or "
                "`gapless run binance`, or set collect.instruments or movers.venue"
            )
        self.settings = settings
        self.clock = SystemClock()
        self.log = log or Log()
        self._ids = by_venue(names, whole=True)
        if movers:
            self._ids.setdefault(movers, [])
        self._environment = self._one_environment()
        self._stopping = asyncio.Event()
        self._recorder = Recorder(record, self.note) if record else None
        self._committed = asyncio.Condition()
        self.collectors: list[Collector] = []
        self.hub = Hub(self.note)
        self.announcer = Announcer(self, self.hub)
        self.sourcing = Sourcing(self, self._environment)
        self.movers: Movers | None = None
        self.started = time.monotonic()
        self.ready = asyncio.Event()

    def _one_environment(self) -> Environment:
        found = {self.settings.venue(name).environment for name in self._ids}
        if len(found) > 1:
            raise BadInput(f"one run collects one environment; these instruments name {' and '.join(sorted(found))}")
        return found.pop()

    async def run(self, *, signals: bool = True) -> None:
        """Run until `stop`; what was received is committed before this returns."""
        if signals:
            self._own_signals()
        try:
            await self._run()
        except BaseExceptionGroup as group:
            # What several tasks met is one sentence; where something else is among it, everything is shown.
            known, other = group.split(GaplessError)
            if known is None or other is not None:
                raise
            raise first_of(known) from None

    async def _run(self) -> None:
        async with AsyncExitStack() as stack:
            fresh = stack.enter_context(untouched(sqlite_path(self.settings.store.url)))
            self.store = open_store(self.settings.store.url, environment=self._environment)
            stack.callback(self.store.close)
            if self.settings.store.durability == "full":
                self.store.connection.execute("PRAGMA synchronous = FULL")
            self.budgets = SqliteBudget(state_folder() / "budget.db")
            stack.callback(self.budgets.close)
            http = AiohttpRest()
            stack.push_async_callback(http.close)
            if self._recorder:
                stack.callback(self._recorder.close)
            await stack.enter_async_context(self.hub)
            if await self._prepare(http, stack):
                fresh.clear()
                calm_collector()
                async with self.deliveries:
                    await self._serve_and_collect()

    async def _prepare(self, http: AiohttpRest, stack: AsyncExitStack) -> bool:
        """Make everything ready; give false when it was stopped meanwhile."""
        self._stack = stack
        receivers = receivers_of(self.settings.deliver, http, Programs(), os.environ)
        self.reader = self._another_reader()
        self.checking = self._another_reader()  # for the thread of the monitoring
        self.hot = Hot(self.reader, minutes=self.settings.serve.hot_minutes)
        self.locks = locks = TapeLocks(self.store.path)
        stack.callback(locks.release)
        outside = Outside(
            self.store, self.reader, http, PicowsSockets(), self.budgets, self.clock, self.note,
            self.announcer.arrived, self._record, locks,
        )  # fmt: skip
        for name, ids in self._ids.items():
            collector = Collector(venue(name), self.settings.venue(name), self.settings.collect, outside)
            preparing = asyncio.create_task(self._prepare_collector(collector, ids, outside))
            stopping = asyncio.create_task(self._stopping.wait())
            await asyncio.wait({preparing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if not preparing.done():
                preparing.cancel()
                await asyncio.wait({preparing})
                return False
            preparing.result()
            self.collectors.append(collector)
            self._say_limits(collector)
        room = partial(room_of, self._folder(), self.settings.store.min_free)
        self.storage = Storage(self._another_reader(), self.settings.store.ages(), self.clock, room)
        self.status = Status(self)
        self.writer = Writer(
            self.store, self.clock, [c.pending for c in self.collectors], self._take, self._written, self._pressure,
            Deriver(self.settings.signals), self.note, every=self.settings.store.commit_every_ms * MS,
        )  # fmt: skip
        stack.callback(self.writer.close)
        for collector in self.collectors:
            collector.arrived = self.writer.arrived
        self.announcer.listen()
        self.schedule = jobs_of(self)
        reader = self._another_reader() if receivers else self.reader
        self.deliveries = deliveries_of(self, receivers, reader, locks)
        return True

    async def _prepare_collector(self, collector: Collector, ids: list[str], outside: Outside) -> None:
        name = collector.venue.name
        if name in ids:
            named = [one for one in ids if one != name]
            ids = [*named, *await products(collector, self.settings.collect, outside)]
        if name == self.settings.movers.venue:
            self.movers = Movers(collector, self.settings.movers, outside)
            await self.movers.prepare(ids)
        else:
            await collector.prepare(ids)

    def _say_limits(self, collector: Collector) -> None:
        """Say at start what cannot be repaired."""
        for line in collector.pipeline.lines.values():
            keyless = line.trades and line.trades.tape.kind == "trade" and not collector.rest.keyed
            if keyless and collector.venue.history.needs_key:
                self.note(
                    "repair_limited", line.instrument.id,
                    reason=f"single trades older than the newest 1,000 need venues.{collector.venue.name}.api_key; "
                    "without it a longer hole stays open until the next day's archive",
                )  # fmt: skip

    async def _serve_and_collect(self) -> None:
        tasks: list[asyncio.Task[None]] = []
        try:
            async with asyncio.TaskGroup() as group:
                tasks += [group.create_task(collector.run()) for collector in self.collectors]
                tasks.append(group.create_task(self.writer.run(), name="writer"))
                tasks.append(group.create_task(self.sourcing.consolidation.run(), name="sources"))
                tasks.append(group.create_task(self._watch_others(), name="others"))
                tasks.append(group.create_task(self._watch_disk(), name="disk"))
                tasks.append(group.create_task(self._sweep(), name="sweep"))
                tasks.append(group.create_task(self.schedule.run(), name="jobs"))
                if self.store.path != ":memory:":
                    tasks.append(group.create_task(self.storage.run(), name="storage"))
                if self.settings.serve.listen:
                    tasks.append(group.create_task(self._serve(), name="serve"))
                self.ready.set()
                await self._stopping.wait()
                for task in tasks:
                    task.cancel()
        finally:
            await self.writer.flush()

    async def _serve(self) -> None:
        from gapless.serve.app import create_app
        from gapless.serve.server import serve

        faces = Faces(self, hot_reader(self._another_reader(), self.hot), self._another_reader())
        app = create_app(faces, self.settings.serve)
        async with faces.demand:
            await serve(app, self.settings.serve.listen, ready=lambda urls: self.note("serving", ", ".join(urls)))

    def _another_reader(self) -> SqliteStore:
        """Open a connection of its own for a thread that reads; a store in memory has only the one."""
        if self.store.path == ":memory:":
            return self.store
        reader = open_store(self.settings.store.url, environment=self._environment, readonly=True)
        self._stack.callback(reader.close)
        return reader

    def stop(self) -> None:
        """Ask for a graceful stop: reading ends, what was read is committed."""
        self._stopping.set()

    def _own_signals(self) -> None:
        loop = asyncio.get_running_loop()

        def asked() -> None:
            if self._stopping.is_set():
                os._exit(130)
            self.note("stopping", "gapless")
            self.stop()
            loop.call_later(_STOP_WITHIN, os._exit, 0)

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, asked)

    def note(self, name: str, subject: str, **fields: Any) -> None:
        """Write an event to the log and, where it belongs to a connection, to the store."""
        at = self.clock.wall()
        self.log.event(name, subject, at, **fields)
        self.announcer.noted(name, subject, at, fields)
        self.sourcing.consolidation.heard(name, subject)
        for collector in self.collectors:
            own = collector.venue.name
            if subject == own or subject.startswith((own + ":", own + "/")):
                collector.pending.event(name, subject, at, **fields)
                return

    def _take(self) -> list[Commit]:
        known_at, mono = self.clock.wall(), self.clock.monotonic()
        return [
            collector.pending.take(
                collector.primary(),
                now=collector.pipeline.clock.now(mono),
                known_at=known_at,
                since=collector.since(),
            )
            for collector in self.collectors
            if collector.pending
        ]

    def _written(self, settled: Settled) -> None:
        self.hot.take(settled)
        self.status.settled(settled)
        self.announcer.settled(settled)
        for name, subject, fields in self.status.derived.lines(settled):
            self.log.event(name, subject, self.clock.wall(), **fields)
        self._telling = asyncio.get_running_loop().create_task(self._tell())

    async def _tell(self) -> None:
        async with self._committed:
            self._committed.notify_all()

    async def wait_for_commit(self, known: int) -> int:
        """Wait until the store holds a commit newer than `known`; give the newest commit number."""
        async with self._committed:
            while (newest := self.reader.log_span()[1]) <= known:
                await self._committed.wait()
            return newest

    async def _watch_others(self) -> None:
        """Notice what other processes commit into the same store."""
        version = self.reader.version()
        while True:
            await self.clock.sleep(_OTHERS)
            if (now := self.reader.version()) != version:
                version = now
                await self._tell()

    def _folder(self) -> str:
        return os.path.dirname(os.path.abspath(self.store.path))

    async def _watch_disk(self) -> None:
        if self.store.path != ":memory:":
            pipelines = [collector.pipeline for collector in self.collectors]
            await watch_disk(self._folder(), self.settings.store.min_free, pipelines, self.clock, self.note)

    async def _sweep(self) -> None:
        """Free what refers to itself: a few ms, where it would pile up for days."""
        while True:
            await self.clock.sleep(_SWEEP)
            gc.collect()

    def _pressure(self, pause: bool) -> None:
        self.note("backpressure", "writer", paused=pause)
        for collector in self.collectors:
            collector.pipeline.pressed = pause
            for connection in collector.connections:
                connection.pressed(pause=pause)

    def _record(self, connection: str, frames: list[bytes], received: int) -> None:
        if self._recorder:
            self._recorder.frames(connection, frames, received)
        self.announcer.frames(connection, frames, received)

    def on(self, event: str, function: Callable[[Any], Any], *, raw: bool = False) -> None:
        """Call a function with each event of a name (docs/seeds.md has them), before `run` or while it runs.

        A coroutine function runs on the loop, any other in a thread of its own. One that raises is counted, logged
        once, and stops no other; one that is too slow gets a `Lagged` in the place of what did not fit. `raw` adds to
        market data what the venue sent. An event that does not exist is a `BadInput`.
        """
        self.hub.on(event, function, raw=raw)

    def off(self, event: str, function: Callable[[Any], Any]) -> None:
        """Call a function no more with events of a name."""
        self.hub.off(event, function)

    def tail(self, instrument: Instrument) -> Candle | None:
        """Give the forming minute from memory, where all its trades passed through there, in today's digits."""
        return self.status.tail(instrument)

    def ticker(self, id: str) -> TickerUpdate:
        """Give the current 24 h ticker of an instrument that is collected, in any usual spelling of its id.

        Raises `UnknownName` where it is not collected or no ticker has come yet.
        """
        return current_ticker(self, id)

    def prioritise(self, *ids: str) -> list[str]:
        """Put instruments first, beside those that are: delivered first under load, repaired first; give all of them.

        An id that means nothing that is collected is a `BadInput`, and then nothing changes.
        """
        return put_first(self, ids)

    async def settle(self) -> dict[str, Any]:
        """Compare every tape with the venue and wait until no hole is left."""
        for collector in self.collectors:
            await collector.settle()
        await self.writer.flush()
        return {"gaps_open": sum(len(collector.holes()) for collector in self.collectors)}
