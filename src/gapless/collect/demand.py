"""Fetches what questions miss: planned and bounded, one fetch for all who ask for the same, below what is live."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from gapless.budget.priority import Priority
from gapless.budget.state import Ceiling
from gapless.collect.backfill import BackfillPlan, Planner
from gapless.collect.fetching import Fetching, Progress
from gapless.collect.rest import RestClient, Spent
from gapless.collect.sources import FINAL_AFTER, Sources
from gapless.errors import Banned, CouldNot, GaplessError
from gapless.model import MINUTE, SECOND, Instrument, TapeKind, iso
from gapless.ports import Clock, Http, TapeStore
from gapless.tape.coverage import Range, cut
from gapless.venues.spec import Hosts, Venue

State = Literal["held", "fetched", "partial", "refused"]
_AGAIN_AFTER = MINUTE  # what no source had is not asked for again before
_MOST = 100  # fetches under way or waiting; each holds a connection to the store

_Key = tuple[str, bool, tuple[Range, ...]]
Opened = Callable[[], AbstractContextManager[TapeStore]]
"""Opens a connection to the store of one's own, which may write."""


class Fetch(Struct, frozen=True, kw_only=True):
    """What became of a question's fetch.

    `planned` requests were thought to be needed, `requests` of `weight` were sent, in `seconds`. `reason` says why
    something is missing still.
    """

    state: State
    planned: int = 0
    requests: int = 0
    weight: int = 0
    seconds: float = 0.0
    reason: str | None = None


class Supply(Struct, frozen=True, kw_only=True):
    """One venue, as far as it can be asked.

    `now` gives its time, ns UTC, 0 while it is not known. `kind` is the tape of trades of an instrument that has none
    yet. `own` lists the times, ns UTC, of bars or (true) of trades that a collector in this process looks after:
    what is missing there it asks for itself.
    """

    venue: Venue
    hosts: Hosts
    rest: RestClient
    http: Http
    clock: Clock
    ceiling: Ceiling
    kind: TapeKind
    archive: bool
    now: Callable[[], int]
    own: Callable[[str, bool], list[Range]] = lambda instrument, trades: []


class Demand:
    """Fetches for questions, as a block: leaving it ends what is under way, and what was committed stays.

    A plan of more than `at_most` ns is refused. Fetches of one instrument run one after the other, and each plans
    anew what is missing by then, so that nothing is asked for twice.
    """

    def __init__(self, supplies: list[Supply], opened: Opened, *, at_most: int) -> None:
        self._supplies = {supply.venue.name: supply for supply in supplies}
        self._opened = opened
        self._at_most = at_most
        self._running: dict[_Key, asyncio.Task[Fetch]] = {}
        self._fruitless: dict[_Key, int] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def __aenter__(self) -> "Demand":
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def fetch(
        self, instrument: Instrument, spans: list[Range], *, trades: bool, wait: float | None,
        progress: Progress = lambda done, total: None,
    ) -> Fetch:  # fmt: skip
        """Fetch the bars, or the trades, of spans of time (ns UTC) that are not held.

        Waits at most `wait` seconds (None: to the end); what has not come by then goes on for whoever asks next.
        """
        supply = self._supplies.get(instrument.venue)
        if supply is None:
            return Fetch(state="refused", reason=f"{instrument.venue} is not collected by this run")
        if not supply.now():
            return Fetch(state="refused", reason=f"the time of {instrument.venue} is not known yet")
        asked = _asked(supply, instrument, spans, trades=trades)
        key = (instrument.id, trades, tuple(asked))
        now = supply.clock.monotonic()
        if not asked or now < self._fruitless.get(key, now):
            return Fetch(state="fetched" if asked else "held")
        if supply.rest.banned_for(supply.hosts.rest):
            return Fetch(state="refused", reason=_banned(supply))
        task = self._running.get(key)
        if task is None:
            if len(self._running) >= _MOST:
                return Fetch(state="refused", reason=f"{_MOST} other fetches are under way; ask again later")
            one = _One(supply, instrument, asked, trades=trades, at_most=self._at_most, progress=progress)
            task = self._running[key] = asyncio.create_task(self._run(one, key), name=f"fetch {instrument.id}")
            task.add_done_callback(lambda _: self._running.pop(key, None))
        done, _ = await asyncio.wait({task}, timeout=wait)
        if done:
            return task.result()
        return Fetch(state="partial", reason="it goes on in the background; ask again", seconds=wait or 0.0)

    async def _run(self, one: "_One", key: "_Key") -> Fetch:
        lock = self._locks.setdefault(one.instrument.id, asyncio.Lock())
        async with lock:
            with await asyncio.to_thread(self._opened) as store:
                told = await one.run(store)
        if told.state == "fetched":  # whoever asks the same again misses what no source has
            now = one.supply.clock.monotonic()
            self._fruitless = {known: until for known, until in self._fruitless.items() if now < until}
            self._fruitless[key] = now + _AGAIN_AFTER
        return told


class _One:
    """One fetch: of some spans of one instrument."""

    def __init__(
        self, supply: Supply, instrument: Instrument, spans: list[Range], *,
        trades: bool, at_most: int, progress: Progress,
    ) -> None:  # fmt: skip
        self.instrument = instrument
        self.supply = supply
        self._spans = spans
        self._trades = trades
        self._at_most = at_most
        self._progress = progress
        self._began = supply.clock.monotonic()
        self._planned = 0
        self._most_weight = 0
        self._spent = Spent()

    async def run(self, store: TapeStore) -> Fetch:
        """Plan against a store, and fetch what may be fetched."""
        supply, now = self.supply, self.supply.now()
        planner = Planner(
            store, supply.venue, supply.hosts, supply.ceiling, now=now, archive=supply.archive,
            priority=Priority.HISTORY,
        )  # fmt: skip
        planned = await asyncio.to_thread(planner.plan_parts, self.instrument, self._spans, self._kind(store))
        self._planned = planned.requests
        if planned.seconds * SECOND > self._at_most:
            return self._told("refused", self._too_much(planned))
        self._most_weight = planned.weight_per_minute * max(self._at_most // MINUTE, 1)
        sources = Sources(
            supply.venue, supply.hosts, supply.rest, supply.http, supply.clock, now=supply.now,
            archive=supply.archive, through_bans=False,
        )  # fmt: skip
        self._spent = sources.spent
        fetching = Fetching(
            store, supply.venue, sources, supply.clock, now=now, progress=self._went, priority=Priority.HISTORY,
            neighbours=True,
        )  # fmt: skip
        try:
            came = await fetching.run(planned)
        except Banned:
            return self._told("partial" if self._spent.requests else "refused", _banned(supply))
        except (CouldNot, _Enough) as trouble:
            return self._told("partial", str(trouble))
        return self._told("partial" if came.troubles else "fetched", "; ".join(came.troubles) or None)

    def _kind(self, store: TapeStore) -> TapeKind:
        """Give the tape to ask for: bars, or the one that footprints come from."""
        if not self._trades:
            return "bars"
        tapes = store.tapes(self.instrument.id)
        return next((tape.kind for tape in tapes if tape.kind != "bars"), self.supply.kind)

    def _went(self, done: float, total: float) -> None:
        self._progress(done, total)
        if self._spent.weight > self._most_weight:
            raise _Enough(f"there is more than one answer may fetch; {self._backfill()} fetches it")

    def _too_much(self, planned: BackfillPlan) -> str:
        return (
            f"it would take {planned.requests:,} requests of weight {planned.weight:,}, about "
            f"{planned.seconds:,.0f} s, and one answer may take {self._at_most // SECOND} s; "
            f"{self._backfill()} fetches it"
        )

    def _backfill(self) -> str:
        start, end = self._spans[0][0], self._spans[-1][1]
        trades = " --trades" if self._trades else ""
        return f"`gapless backfill {self.instrument.id} --start {iso(start)} --end {iso(end)}{trades}`"

    def _told(self, state: State, reason: str | None = None) -> Fetch:
        seconds = (self.supply.clock.monotonic() - self._began) / SECOND
        return Fetch(
            state=state, planned=self._planned, requests=self._spent.requests, weight=self._spent.weight,
            seconds=round(seconds, 3), reason=reason,
        )  # fmt: skip


class _Enough(GaplessError):
    """More than was planned for would have to be fetched."""


def _asked(supply: Supply, instrument: Instrument, spans: list[Range], *, trades: bool) -> list[Range]:
    """Give the minutes to ask for: final ones, which no collector here looks after; near ones are one question."""
    until = (supply.now() - FINAL_AFTER) // MINUTE * MINUTE
    final = [(start, min(end, until) - 1) for start, end in spans if start < until]
    own = [(start, end - 1) for start, end in supply.own(instrument.id, trades)]
    near = MINUTE if trades else supply.venue.limits.page_bars * MINUTE
    result: list[Range] = []
    for start, last in cut(final, own):
        if result and start - result[-1][1] <= near:
            result[-1] = (result[-1][0], last + 1)
        else:
            result.append((start, last + 1))
    return result


def _banned(supply: Supply) -> str:
    until = supply.rest.now() + supply.rest.banned_for(supply.hosts.rest)
    return f"banned until {iso(-(-until // SECOND) * SECOND)}"


def answered(told: Fetch, *, lacking: bool) -> Fetch:
    """Say of a fetch that had nothing to ask for, or brought it, whether something is missing all the same."""
    if not lacking or told.state in ("partial", "refused"):
        return told
    reason = "no source has it" if told.state == "fetched" else "it is being repaired"
    return replace(told, state="partial", reason=reason)
