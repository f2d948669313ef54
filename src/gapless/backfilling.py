"""Composes a backfill: settings, store, network; plans, shows, spends."""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, nullcontext
from itertools import groupby

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from gapless.adapters import open_store, store_url
from gapless.budget.priority import Priority
from gapless.budget.state import Ceiling
from gapless.collect.backfill import BackfillPlan, Planner, Work
from gapless.collect.demand import Demand, Fetch, Supply, answered
from gapless.collect.fetching import Fetched, Fetching, stay
from gapless.collect.listed import everything_listed
from gapless.collect.rest import RestClient
from gapless.collect.settings import VenueSettings, as_set, ceiling_of, kind_of
from gapless.collect.sources import Sources
from gapless.config import load
from gapless.errors import Banned
from gapless.model import Instrument, TapeKind, Timeframe, iso
from gapless.model.times import parse_duration
from gapless.net.clock import SystemClock
from gapless.net.rest import AiohttpRest
from gapless.query.lacking import lacking, span_asked
from gapless.query.market import Market
from gapless.query.resolve import resolve
from gapless.startup import by_venue
from gapless.store.budget import SqliteBudget, state_folder
from gapless.store.sqlite import SqliteStore, sqlite_path
from gapless.venues.registry import VENUES, venue
from gapless.venues.spec import Hosts, Venue

_LINE_EVERY = 5.0  # seconds between two lines where nobody looks at a screen
_TRIES = 4  # at a venue that does not answer; a ban or a 429 is waited out


class Asked(Struct, frozen=True, kw_only=True):
    """What a user asked for; times are ns UTC."""

    ids: list[str]
    start: int
    end: int
    trades: bool
    plan_only: bool
    yes: bool
    json: bool


class _Market(Struct):
    """What a backfill at one venue works with."""

    venue: Venue
    own: VenueSettings
    hosts: Hosts
    store: SqliteStore
    rest: RestClient
    http: AiohttpRest
    ceiling: Ceiling


async def run(asked: Asked, url: str | None, sets: list[str]) -> int:
    """Plan, and unless only that was asked for, fetch; 0 when everything came, 1 when something is missing."""
    settings = load(sets=sets, venues=VENUES)
    missing = 0
    done: list[dict[str, object]] = []
    async with AsyncExitStack() as stack:
        http = AiohttpRest()
        stack.push_async_callback(http.close)
        for name, ids in _sorted(asked.ids).items():
            market = _market(name, settings.venue(name), url, asked, http, stack)
            told = await _at(market, ids, asked)
            missing += int(str(told["missing"]))
            done.append(told)
    if asked.json:
        print(msgspec.json.encode({"plans": done}).decode())
    return 1 if missing and not asked.plan_only else 0


def _market(
    name: str, own: VenueSettings, url: str | None, asked: Asked, http: AiohttpRest, stack: AsyncExitStack
) -> _Market:
    market = as_set(venue(name), own)
    hosts = market.hosts(own.environment, own.sim_url or None)
    store = _store(url, own.environment, asked, stack)
    budgets = SqliteBudget(":memory:" if asked.plan_only else state_folder() / "budget.db")
    stack.callback(budgets.close)
    ceiling = ceiling_of(own, market.limits)
    key = own.api_key or None
    rest = RestClient(http, budgets, SystemClock(), market, ceiling, api_key=key, give_up=_TRIES)
    return _Market(market, own, hosts, store, rest, http, ceiling)


async def _at(market: _Market, ids: list[str], asked: Asked) -> dict[str, object]:
    """Plan and fetch at one venue."""
    instruments = await _instruments(market.store, market.venue, market.rest, market.hosts, ids, asked)
    planned = _plan(market, instruments, asked, time.time_ns())
    came = Fetched()
    wanted = sum(work.missing for work in planned.work)
    if not asked.plan_only and wanted:
        now = await _venue_time(market)
        # By the venue's clock other files may be published, and other trades be still served, than by ours.
        planned = _plan(market, instruments, asked, now)
        if not asked.json:
            _say(planned)
        came = await _spend(market, planned, asked, now)
    else:
        for work in planned.work if not asked.plan_only else ():
            stay(market.store, work)
        if not asked.json:
            _say(planned)
    bars = sum(work.missing for work in planned.work if work.kind == "bars")
    missing = bars - came.minutes + came.missing if not asked.plan_only else wanted
    return _told(market.venue.name, planned, came, missing=missing, weight=market.rest.spent.weight)


async def fetch_missing(
    text: str, timeframe: Timeframe, *, start: int | None, end: int | None, last: int | None, trades: bool,
    url: str | None, sets: list[str],
) -> Fetch:  # fmt: skip
    """Fetch into a store what a question about bars (or `trades` in them) misses, as a running gapless would."""
    settings = load(sets=sets, venues=VENUES)
    ((name, ids),) = by_venue([text]).items()
    asked = Asked(ids=ids, start=0, end=0, trades=trades, plan_only=False, yes=False, json=False)
    async with AsyncExitStack() as stack:
        http = AiohttpRest()
        stack.push_async_callback(http.close)
        market = _market(name, settings.venue(name), url, asked, http, stack)
        banned = market.rest.banned_for(market.hosts.rest)
        if banned and all(known.id != ids[0] for known in market.store.instruments()):
            raise Banned(banned)  # else it would be waited for
        (instrument,) = await _instruments(market.store, market.venue, market.rest, market.hosts, ids, asked)
        answers = Market(market.store)
        until = end if end is not None or start is None else time.time_ns()
        span = span_asked(answers, instrument, timeframe, start, until, last)
        if span is None or not (spans := lacking(answers, instrument, span, trades=trades)):
            return Fetch(state="held")
        now = time.time_ns() if banned else await _venue_time(market)
        within = parse_duration(settings.collect.fetch_at_most)
        opened = lambda: nullcontext(market.store)  # noqa: E731
        demand = await stack.enter_async_context(Demand([_supply(market, now)], opened, at_most=within))
        with shown(disabled=False) as progress:
            told = await demand.fetch(instrument, spans, trades=trades, wait=None, progress=progress)
        told = answered(told, lacking=bool(lacking(answers, instrument, span, trades=trades, closed=True)))
        return replace(told, requests=market.rest.spent.requests, weight=market.rest.spent.weight)


def _supply(market: _Market, now: int) -> Supply:
    own = market.own
    return Supply(
        venue=market.venue, hosts=market.hosts, rest=market.rest, http=market.http, clock=SystemClock(),
        ceiling=market.ceiling, kind=kind_of(own, market.venue), archive=own.archive, now=lambda: now,
    )  # fmt: skip


def _plan(market: _Market, instruments: list[Instrument], asked: Asked, now: int) -> BackfillPlan:
    planner = Planner(market.store, market.venue, market.hosts, market.ceiling, now=now, archive=market.own.archive)
    kinds: list[TapeKind] = [kind_of(market.own, market.venue)] if asked.trades else ["bars"]
    return planner.plan(instruments, asked.start, asked.end, kinds)


async def _venue_time(market: _Market) -> int:
    history = market.venue.history
    body = await market.rest.get(history.time_request(market.hosts), priority=Priority.BACKFILL)
    return history.time(body)


def _sorted(ids: list[str]) -> dict[str, list[str]]:
    """Sort what was named by venue; a bare venue means all that the store holds of it."""
    whole: dict[str, list[str]] = {text: [] for text in ids if text in VENUES}
    named = [text for text in ids if text not in VENUES]
    return whole | (by_venue(named) if named else {})


def _store(url: str | None, environment: str, asked: Asked, stack: AsyncExitStack) -> SqliteStore:
    from pathlib import Path

    path = sqlite_path(store_url(url))
    exists = path == ":memory:" or Path(path).is_file()
    # A plan changes nothing: where there is no store yet it is made against an empty one in memory.
    target = "memory://" if asked.plan_only and not exists else url
    store = open_store(target, environment=environment, readonly=asked.plan_only and exists)  # type: ignore[arg-type]
    stack.callback(store.close)
    return store


async def _instruments(
    store: SqliteStore, market: Venue, rest: RestClient, hosts: Hosts, ids: list[str], asked: Asked
) -> list[Instrument]:
    known = [i for i in store.instruments() if i.venue == market.name]
    if not ids:
        return known
    if asked.plan_only:
        # Neither network nor credentials: an instrument that the store does not know is taken at its word.
        return [next((i for i in known if i.id == text), None) or _bare(market, text) for text in ids]
    if not all(any(i.id == text for i in known) for text in ids):
        listed = await everything_listed(market, hosts, rest, priority=Priority.BACKFILL)
        for text in ids:
            store.put_instrument(resolve(text, listed, where=f"{market.name} lists"))
        known = [i for i in store.instruments() if i.venue == market.name]
    return [resolve(text, known, where=f"{market.name} lists") for text in ids]


def _bare(market: Venue, text: str) -> Instrument:
    return market.archives.instrument(text.partition(":")[2].partition(":")[0].upper())


def _told(name: str, planned: BackfillPlan, came: Fetched, *, missing: int, weight: int) -> dict[str, object]:
    """Write for programs what was planned, and what came of it."""
    return {
        "venue": name,
        "requests": planned.requests,
        "weight": planned.weight,
        "exact": planned.exact,
        "weight_per_minute": planned.weight_per_minute,
        "seconds": planned.seconds,
        "sources": _sources(planned),
        "items": [_item(work) for work in planned.work],
        "fetched": came.minutes,
        "trades": came.trades,
        "from": came.sources,
        "rejected": came.rejected,
        "missing": missing,
        "troubles": came.troubles,
        "weight_spent": weight,
    }


def _item(work: Work) -> dict[str, object]:
    return {
        "id": work.instrument,
        "kind": work.kind,
        "start": iso(work.start),
        "end": iso(work.end),
        "minutes": work.minutes,
        "missing": work.missing,
        "requests": work.requests,
        "weight": work.weight,
        "parts": [
            {
                "source": share.source,
                "start": iso(share.start),
                "end": iso(share.end),
                "requests": share.requests,
                "weight": share.weight,
                "files": share.files,
                "exact": share.exact,
            }
            for share in work.shares
        ],
    }


def _sources(planned: BackfillPlan) -> dict[str, dict[str, int]]:
    """Add up what each source is asked for."""
    found: dict[str, dict[str, int]] = {}
    for share in (share for work in planned.work for share in work.shares):
        one = found.setdefault(share.source or "none", {"parts": 0, "requests": 0, "files": 0, "weight": 0})
        one["parts"] += 1
        one["requests"] += share.requests
        one["files"] += share.files
        one["weight"] += share.weight
    return found


def _say(planned: BackfillPlan) -> None:
    for work in planned.work:
        what = "minutes" if work.kind == "bars" else "minutes of trades"
        print(
            f"{work.instrument}: {work.missing:,} of {work.minutes:,} {what} missing, "
            f"{_requests(work.requests)}, weight {work.weight}"
        )
        for source, start, end, price in _parts(work):
            print(f"  {iso(start)} to {iso(end)} {source}: {price}")
    unsure = "" if planned.exact else ", more or less by the trades there are"
    print(
        f"in all {_requests(planned.requests)}, weight {planned.weight} of {planned.weight_per_minute} a minute "
        f"that a backfill may spend, about {planned.seconds:,.0f} s{unsure}"
    )


def _requests(count: int) -> str:
    return f"{count:,} request{'' if count == 1 else 's'}"


def _parts(work: Work) -> Iterator[tuple[str, int, int, str]]:
    """Write who brings what, neighbours of one source together."""
    for source, shares in groupby(work.shares, key=lambda share: share.source):
        group = list(shares)
        requests, weight = sum(share.requests for share in group), sum(share.weight for share in group)
        start, end = group[0].start, group[-1].end
        if source is None:
            yield "from nobody", start, end, "REST has it no longer, and no file of it is published"
        elif source == "archive":
            yield "from the archive", start, end, f"{len(group):,} files, weight 0, their size is not known before"
        elif all(share.exact for share in group):
            yield "by REST", start, end, f"{_requests(requests)} of weight {weight:,}"
        else:
            # Nothing held tells of other times: one page and the question for the first trade are the least.
            likely = "likely" if requests > 2 * len(group) else "at least"
            price = f"{likely} {_requests(requests)} of weight {weight:,}; how many trades there are only asking tells"
            yield "by REST", start, end, price


async def _spend(market: _Market, planned: BackfillPlan, asked: Asked, now: int) -> Fetched:
    clock = SystemClock()
    sources = Sources(
        market.venue, market.hosts, market.rest, market.http, clock, now=lambda: now, archive=market.own.archive
    )
    with shown(disabled=asked.json) as progress:
        fetching = Fetching(market.store, market.venue, sources, clock, now=now, progress=progress)
        try:
            came = await fetching.run(planned)
        except asyncio.CancelledError:
            print("stopped; what came is kept, and the same command goes on from there", file=sys.stderr)
            raise
    for trouble in came.troubles:
        print(trouble, file=sys.stderr)
    if not asked.json:
        wanted = sum(work.missing for work in planned.work)
        what = f"{came.trades:,} trades" if asked.trades else f"{came.minutes:,} of {wanted:,} missing minutes"
        print(f"{what} fetched; weight spent {market.rest.spent.weight}")
    return came


@contextmanager
def shown(*, disabled: bool) -> Iterator[Callable[[float, float], None]]:
    """Show progress and the time left: a bar on a terminal, else a line every few seconds."""
    if disabled:
        yield lambda done, total: None
        return
    if not sys.stderr.isatty():
        yield _Lines()
        return
    columns = (TextColumn("fetching"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("fetching", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


class _Lines:
    """Progress where nobody looks at a screen."""

    def __init__(self) -> None:
        self._began = self._told = time.monotonic()

    def __call__(self, done: float, total: float) -> None:
        now = time.monotonic()
        if now - self._told < _LINE_EVERY or not 0 < done < total:
            return
        self._told = now
        left = (now - self._began) * (total - done) / done
        print(f"fetching: {done / total:.0%}, about {left:,.0f} s left", file=sys.stderr)
