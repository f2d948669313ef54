"""Composes a backfill: settings, store, network; plans, shows, spends."""

from contextlib import AsyncExitStack

import msgspec
from msgspec import Struct
from rich.console import Console
from rich.progress import Progress

from gapless.adapters import open_store, store_url
from gapless.budget.priority import Priority
from gapless.collect.backfill import BackfillPlan, backfill, plan
from gapless.collect.rest import RestClient
from gapless.collect.settings import ceiling_of
from gapless.config import load
from gapless.engine import by_venue
from gapless.model import Instrument, iso
from gapless.model.instrument import squeeze
from gapless.net.clock import SystemClock
from gapless.net.rest import AiohttpRest
from gapless.query.resolve import resolve
from gapless.store.budget import SqliteBudget, state_folder
from gapless.store.sqlite import SqliteStore, sqlite_path
from gapless.venues.registry import VENUES, venue
from gapless.venues.spec import Hosts, Venue

_TRIES = 4  # at a venue that does not answer; a ban or a 429 is waited out


class Asked(Struct, frozen=True, kw_only=True):
    """What a user asked for; times are ns UTC."""

    ids: list[str]
    start: int
    end: int
    plan_only: bool
    yes: bool
    json: bool


async def run(asked: Asked, url: str | None, sets: list[str]) -> int:
    """Plan, and unless only that was asked for, fetch; 0 when everything came, 1 when something is missing."""
    settings = load(sets=sets, venues=VENUES)
    missing = 0
    done: list[dict[str, object]] = []
    async with AsyncExitStack() as stack:
        http = AiohttpRest()
        stack.push_async_callback(http.close)
        for name, ids in _sorted(asked.ids).items():
            market, own = venue(name), settings.venue(name)
            hosts = market.hosts(own.environment, own.sim_url or None)
            store = _store(url, own.environment, asked, stack)
            budgets = SqliteBudget(":memory:" if asked.plan_only else state_folder() / "budget.db")
            stack.callback(budgets.close)
            ceiling = ceiling_of(own, market.limits)
            rest = RestClient(
                http, budgets, SystemClock(), market, ceiling, api_key=own.api_key or None, give_up=_TRIES
            )
            instruments = await _instruments(store, market, rest, hosts, ids, asked)
            planned = plan(store, market, hosts, instruments, asked.start, asked.end)
            if not asked.json:
                _say(planned)
            wanted = sum(work.missing for work in planned.work)
            fetched = 0
            if not asked.plan_only and planned.requests:
                fetched = await _spend(store, market, rest, hosts, planned, asked)
                missing += wanted - fetched
            done.append(_told(name, planned, fetched=fetched, missing=wanted - fetched, weight=rest.spent.weight))
    if asked.json:
        print(msgspec.json.encode({"plans": done}).decode())
    return 1 if missing else 0


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
        body = await rest.get(market.history.instruments_request(hosts), priority=Priority.BACKFILL)
        rest.announced(market.history.weight_limit(body))
        listed = market.history.instruments(body)
        for text in ids:
            store.put_instrument(resolve(text, listed, where=f"{market.name} lists"))
        known = [i for i in store.instruments() if i.venue == market.name]
    return [resolve(text, known, where=f"{market.name} lists") for text in ids]


def _bare(market: Venue, text: str) -> Instrument:
    return market.archives.instrument(squeeze(text.partition(":")[2].partition(":")[0]).upper())


def _told(name: str, planned: BackfillPlan, *, fetched: int, missing: int, weight: int) -> dict[str, object]:
    """Write for programs what was planned, and what came of it."""
    items = [
        {
            "id": work.instrument,
            "start": iso(work.start),
            "end": iso(work.end),
            "minutes": work.minutes,
            "missing": work.missing,
            "requests": work.requests,
            "weight": work.weight,
        }
        for work in planned.work
    ]
    return {
        "venue": name,
        "requests": planned.requests,
        "weight": planned.weight,
        "weight_per_minute": planned.weight_per_minute,
        "seconds": planned.seconds,
        "items": items,
        "fetched": fetched,
        "missing": missing,
        "weight_spent": weight,
    }


def _say(planned: BackfillPlan) -> None:
    for work in planned.work:
        print(
            f"{work.instrument}: {work.missing:,} of {work.minutes:,} minutes missing, "
            f"{work.requests} requests, weight {work.weight}"
        )
    print(
        f"in all {planned.requests} requests, weight {planned.weight} of {planned.weight_per_minute} a minute, "
        f"about {planned.seconds:.0f} s"
    )


async def _spend(
    store: SqliteStore, market: Venue, rest: RestClient, hosts: Hosts, planned: BackfillPlan, asked: Asked
) -> int:
    with Progress(console=Console(stderr=True), transient=True, disable=asked.json) as bar:
        task = bar.add_task("backfill", total=planned.requests)
        came = await backfill(
            store, market, rest, hosts, planned, lambda done, total: bar.update(task, completed=done, total=total)
        )
    if not asked.json:
        wanted = sum(work.missing for work in planned.work)
        print(f"{came:,} of {wanted:,} missing minutes fetched; weight spent {rest.spent.weight}")
    return came
