"""Composes an examination: every check, in an order in which each can rest on those before it."""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol

import msgspec
from msgspec.structs import replace

from gapless.collect.settings import ceiling_of
from gapless.config import Settings
from gapless.doctor import answers, archived, choosing, clocks, collecting, ids, installation
from gapless.doctor.asking import Asking, Blocked
from gapless.doctor.check import Asked, Check, Report
from gapless.doctor.listening import Ear, Listening, families, tape_kind
from gapless.doctor.routes import routes
from gapless.errors import Banned, CouldNot, GaplessError, sentence_of
from gapless.model import SECOND, Instrument
from gapless.net.clock import SystemClock
from gapless.net.rest import AiohttpRest
from gapless.net.websocket import PicowsSockets
from gapless.protocol.session import TRADES
from gapless.store.budget import SqliteBudget, state_folder
from gapless.venues.spec import Venue

_ROUTE = 10.0  # seconds within which every family of a busy instrument speaks


class Watcher(Protocol):
    """Is told of every check when it is done, and of what takes longer."""

    def found(self, check: Check) -> None:
        """Learn what a check found."""

    def progress(self, what: str, done: float, total: float) -> None:
        """Learn how far something has come."""


class Unreachable(Exception):
    """The venue does not answer at all: nothing more can be checked."""


class Examination:
    """One examination; its `report` can be read at any time, also when it ended early."""

    def __init__(self, asked: Asked | None, watcher: Watcher) -> None:
        self.report = Report(asked=asked, began=time.time_ns())
        self._watcher = watcher
        self._began = time.monotonic()

    def found(self, *checks: Check) -> None:
        """Put checks into the report."""
        for check in checks:
            self.report.checks.append(check)
            self.report.seconds = time.monotonic() - self._began
            self._watcher.found(check)

    def installation(self) -> None:
        """Check this machine; asks nobody."""
        for check in installation.checks():
            self.found(check)

    async def venue(self, asked: Asked, venue: Venue, settings: Settings) -> None:
        """Check a venue, without a key. Only the user's own mistakes are raised; all else is in the report."""
        own = settings.venues[venue.name] = replace(settings.venue(venue.name), api_key="")
        self.report.environment = own.environment
        try:
            async with AsyncExitStack() as stack:
                http = AiohttpRest()
                stack.push_async_callback(http.close)
                budgets = SqliteBudget(state_folder() / "budget.db")
                stack.callback(budgets.close)
                asking = Asking(http, budgets, SystemClock(), venue, ceiling_of(own, venue.limits))
                await _Visit(self, asked, settings, asking, self._watcher).all()
        except asyncio.CancelledError:
            self.report.ended = "interrupted"
            raise
        except Unreachable as trouble:
            self.report.ended = "unreachable"
            self.found(Check("reach", "failed", str(trouble)))
        except (Banned, Blocked) as trouble:
            self.report.ended = "unreachable"
            self.found(Check("budget", "failed", str(trouble)))
        finally:
            self.report.seconds = time.monotonic() - self._began


class _Visit:
    """The checks of one venue."""

    def __init__(
        self, examination: Examination, asked: Asked, settings: Settings, asking: Asking, watcher: Watcher
    ) -> None:
        self._found = examination.found
        self._report = examination.report
        self._asked = asked
        self._settings = settings
        self._asking = asking
        self._watcher = watcher
        self._venue = asking.venue
        self._own = settings.venue(asking.venue.name)
        self._hosts = asking.venue.hosts(self._own.environment, self._own.sim_url or None)
        self._sockets = PicowsSockets()

    async def all(self) -> None:
        """Do every check."""
        listed = await self._reach()
        chosen: choosing.Chosen | None = None
        try:
            async with self._listening() as listening:
                chosen = await choosing.choose(self._asked.instruments, listed, listening)
        except CouldNot as trouble:
            self._found(Check("streams", "failed", sentence_of(trouble)))
        if chosen is None:
            return
        self._report.instruments = [one.id for one in chosen.instruments]
        self._found(Check("instruments", "ok", f"{', '.join(self._report.instruments)}: {chosen.how}"))
        first = last = await clocks.sampled(self._asking, self._hosts)
        rate = 1.0
        try:
            async with self._listening() as listening:
                first, last = await self._heard(listening, chosen.instruments)
                rate = clocks.pace(first, last)[0]
        except CouldNot as trouble:
            self._may_go_on(trouble)
            self._found(Check("streams", "failed", sentence_of(trouble)))
        await self._step("archive", archived.archive(self._asking, self._hosts, chosen.small, last.venue))
        if self._asked.minutes:
            await self._collected(chosen.instruments)
        await self._step("drift", self._drift(first, rate))
        self._found(Check("budget", "ok", "weight {weight:,} in {requests} requests".format(**self._asking.spent())))

    def _listening(self) -> Listening:
        return Listening(self._venue, self._hosts, self._sockets, self._asking.clock)

    def _may_go_on(self, trouble: BaseException) -> None:
        if isinstance(trouble, Banned | Blocked):
            raise trouble

    async def _step(self, name: str, work: Awaitable[Check | list[Check]]) -> None:
        """Do one check; what it could not do is what it found, unless nothing more may leave."""
        try:
            done = await work
        except (GaplessError, msgspec.DecodeError, TimeoutError, ValueError) as trouble:
            self._may_go_on(trouble)
            done = Check(name, "failed", sentence_of(trouble))
        self._found(*(done if isinstance(done, list) else [done]))

    async def _reach(self) -> list[Instrument]:
        history, asking = self._venue.history, self._asking
        try:
            bodies = [await asking.get(request) for request in history.instruments_requests(self._hosts)]
            listed = [one for body in bodies for one in history.instruments(body)]
        except msgspec.DecodeError as trouble:
            raise Unreachable(f"{self._hosts.rest} is no {self._venue.name}: {trouble}") from trouble
        except CouldNot as trouble:
            self._may_go_on(trouble)
            raise Unreachable(str(trouble)) from trouble
        if not isinstance(self._asked.instruments, int):
            choosing.named(self._asked.instruments, listed, self._venue)
        trading = sum(one.status == "trading" for one in listed)
        took = (asking.last.mono[1] - asking.last.mono[0]) / SECOND
        figures = {"instruments": len(listed), "trading": trading, "seconds": round(took, 3)}
        self._found(Check("reach", "ok", f"{len(listed)} instruments, {trading} of them trading", figures))
        self._found(answers.limits(self._venue, bodies[0]))
        return listed

    async def _heard(
        self, listening: Listening, instruments: Sequence[Instrument]
    ) -> tuple[clocks.Sample, clocks.Sample]:
        """Listen to every family for a while; give the venue's clock at the begin and at the end of it."""
        asking, hosts, clock = self._asking, self._hosts, self._asking.clock
        began = clock.monotonic()
        ears = await listening.subscribe(instruments, families(self._venue))
        first = await clocks.sampled(asking, hosts)
        await self._step("routes", routes(listening, ears, instruments, min(_ROUTE, self._asked.listen)))
        while (passed := (clock.monotonic() - began) / SECOND) < self._asked.listen and not listening.broken():
            self._watcher.progress("listening", passed, self._asked.listen)
            await clock.sleep(SECOND // 5)
        last = await clocks.sampled(asking, hosts)
        rate = clocks.pace(first, last)[0]
        self._found(clocks.offset(first, last, self._own.environment))
        self._found(clocks.skew(last, ears, rate))
        trades = [ear for ear in ears if ear.stream.kind in TRADES]
        await self._step("join", ids.joined(asking, hosts, trades))
        self._found(ids.continuity(trades, self._venue.limits.consecutive))
        main = next((ear for ear in trades if ear.stream.kind == tape_kind(self._venue) and ear.trades), None)
        await self._step("rest lag", ids.lag(asking, hosts, main))
        await self._step("answers", self._answers(instruments[0], main, last.venue))
        return first, last

    async def _answers(self, one: Instrument, main: Ear | None, now: int) -> list[Check]:
        history = self._venue.history
        fill, _ = history.newest(await self._asking.get(history.newest_request(self._hosts, one.symbol)))
        seq = main.trades[-1].seq if main and main.stream.instrument == one.id else None
        return await answers.answered(
            self._asking, self._hosts, answers.kinds(self._venue, self._hosts, one, seq, fill, now)
        )

    async def _collected(self, instruments: list[Instrument]) -> None:
        with tempfile.TemporaryDirectory(prefix="gapless-doctor-") as folder:
            await self._step("collect", self._minutes(instruments, Path(folder)))

    async def _minutes(self, instruments: list[Instrument], folder: Path) -> list[Check]:
        done = await collecting.collect(
            self._settings, instruments, self._asked.minutes, folder, self._watcher.progress
        )
        return await collecting.compared(self._asking, self._hosts, self._settings, done)

    async def _drift(self, first: clocks.Sample, rate: float) -> Check:
        final = await clocks.sampled(self._asking, self._hosts)
        known = rate if self._own.environment == "sim" else 1.0
        return clocks.drift(first, final, known, self._own.environment)
