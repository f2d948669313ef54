"""Fetches history that was asked for: planned and priced first, then within the budget, never twice."""

import time
from collections.abc import Callable
from functools import partial

from msgspec import Struct

from gapless.budget.priority import Priority
from gapless.collect.rest import RestClient
from gapless.derive.settle import Commit, Vouched, settle
from gapless.model import MINUTE, SECOND, Evidence, Instrument, Tape
from gapless.ports import TapeStore
from gapless.tape.coverage import without
from gapless.tape.plan import Step, pages
from gapless.venues.spec import Hosts, Venue

_FINAL_AFTER = 90 * SECOND  # a bar that ended this long ago no longer changes
_SECONDS_A_REQUEST = 0.25


class Work(Struct, frozen=True, kw_only=True):
    """The bars of one instrument that are asked for and not held: requests, weight, and minutes still missing."""

    instrument: str
    start: int
    end: int
    minutes: int
    missing: int
    steps: list[Step]
    requests: int
    weight: int


class BackfillPlan(Struct, frozen=True, kw_only=True):
    """What a backfill would ask for, and what that costs; spends nothing."""

    work: list[Work]
    requests: int
    weight: int
    weight_per_minute: int
    seconds: float


def plan(
    store: TapeStore, venue: Venue, hosts: Hosts, instruments: list[Instrument], start: int, end: int
) -> BackfillPlan:
    """Plan the 1m bars of [start, end), ns UTC, that are not held; the store need not know the instruments yet."""
    work = [_work(store, venue, hosts, instrument, start // MINUTE, -(-end // MINUTE)) for instrument in instruments]
    weight, requests = sum(w.weight for w in work), sum(w.requests for w in work)
    limit = venue.limits.weight_per_minute
    waiting = (weight // limit) * 60.0
    return BackfillPlan(
        work=work,
        requests=requests,
        weight=weight,
        weight_per_minute=limit,
        seconds=round(max(waiting, requests * _SECONDS_A_REQUEST), 1),
    )


def _work(store: TapeStore, venue: Venue, hosts: Hosts, instrument: Instrument, first: int, stop: int) -> Work:
    tape = next((t for t in store.tapes(instrument.id) if t.kind == "bars"), None)
    spans = store.spans(tape.id, first, stop - 1) if tape else []
    holes = without((first, stop - 1), spans)
    steps = pages(holes, venue.limits.page_bars)
    weights = [
        venue.history.bars_request(hosts, instrument.symbol, s.first * MINUTE, (s.last + 1) * MINUTE).weight
        for s in steps
    ]
    return Work(
        instrument=instrument.id,
        start=first * MINUTE,
        end=stop * MINUTE,
        minutes=stop - first,
        missing=sum(b - a + 1 for a, b in holes),
        steps=steps,
        requests=len(steps),
        weight=sum(weights),
    )


async def backfill(
    store: TapeStore, venue: Venue, rest: RestClient, hosts: Hosts, planned: BackfillPlan,
    progress: Callable[[int, int], None],
) -> int:  # fmt: skip
    """Fetch what was planned; give how many minutes came. What was committed stays when this is cancelled."""
    came = done = 0
    body = await rest.get(venue.history.time_request(hosts), priority=Priority.BACKFILL)
    venue_now = venue.history.time(body)
    for work in planned.work:
        tape = store.open_tape(work.instrument, "bars")
        primary = next((t for t in store.tapes(work.instrument) if t.kind != "bars"), None)
        for step in work.steps:
            came += await _step(store, venue, rest, hosts, tape, primary, step, venue_now)
            done += 1
            progress(done, planned.requests)
    return came


async def _step(
    store: TapeStore, venue: Venue, rest: RestClient, hosts: Hosts, tape: Tape, primary: Tape | None, step: Step,
    venue_now: int,
) -> int:  # fmt: skip
    symbol = tape.instrument.partition(":")[2]
    request = venue.history.bars_request(hosts, symbol, step.first * MINUTE, (step.last + 1) * MINUTE)
    bars = venue.history.bars(await rest.get(request, priority=Priority.BACKFILL), tape)
    bars = [
        b for b in bars if b.start + MINUTE + _FINAL_AFTER <= venue_now and step.first <= b.start // MINUTE <= step.last
    ]
    if not bars:
        return 0
    first, last = bars[0].start // MINUTE, bars[-1].start // MINUTE
    commit = Commit(
        now=venue_now,
        known_at=time.time_ns(),
        cause="backfill",
        primary={tape.instrument: primary} if primary else {},
        bars=[(tape.instrument, bars)],
        vouched=[Vouched(tape, first, last, Evidence.REST)],
        wanted=[(tape, first, last)],
    )
    store.commit(partial(settle, commit=commit))
    return len(bars)
