"""History of a venue that finds no trade by its time, by id on one surface and by time alone on the other: all that
exists comes, each page is worth its price, and what cannot be had is named."""

import asyncio
import json
from functools import partial

import pytest
from manual import EPOCH, HandHttp, Impatient
from tiny_coinbase import SIM, Product

from gapless.budget.state import Ceiling
from gapless.collect.backfill import BackfillPlan, Planner
from gapless.collect.fetching import Fetched, Fetching
from gapless.collect.rest import RestClient
from gapless.collect.sources import Sources
from gapless.derive.settle import Commit, Vouched, settle
from gapless.model import DAY, HOUR, MINUTE, SECOND, Evidence, Proof, State
from gapless.store.budget import MemoryBudget
from gapless.store.sqlite import SqliteStore
from gapless.venues.registry import venue

PAGES = {"coinbase": 1_000, "coinbase-advanced": 100}  # rows of a page, on one of them fewer than asked for
SURFACES = tuple(PAGES)
# Bursts of fifty trades in a second every ten minutes, and one trade a minute between: a day of them.
TIMES = sorted(
    [EPOCH - DAY + MINUTE * k for k in range(24 * 60)]
    + [EPOCH - DAY + 600 * SECOND * k + 7 * SECOND + n * 10**7 for k in range(144) for n in range(50)]
)


@pytest.fixture(autouse=True)
def _threads_are_run_at_once(monkeypatch):
    async def at_once(function, *arguments):
        return function(*arguments)

    monkeypatch.setattr("asyncio.to_thread", at_once)


class Archive:
    """A store that is filled from a product's history."""

    def __init__(self, name: str, product: Product) -> None:
        self.venue, self.product = venue(name), product
        self.hosts = self.venue.hosts("sim", SIM.sim_url)
        self.store = SqliteStore(":memory:", environment="sim")
        (self.instrument,) = self.venue.history.instruments(product._products(_Url(name), name != "coinbase").body)
        self.store.put_instrument(self.instrument)
        self.tape = self.store.open_tape(self.instrument.id, "trade")
        self.clock = Impatient()
        self.http = HandHttp(self.clock, product.answer)
        self.ceiling = Ceiling(weight_per_minute=540)

    def plan(self, start: int, end: int, kind="trade") -> BackfillPlan:
        return Planner(self.store, self.venue, self.hosts, self.ceiling, now=EPOCH).plan(
            [self.instrument], start, end, [kind]
        )

    def fetch(self, start: int, end: int, kind="trade", *, neighbours: bool = False) -> Fetched:
        rest = RestClient(self.http, MemoryBudget(), self.clock, self.venue, self.ceiling, api_key=None)
        sources = Sources(self.venue, self.hosts, rest, self.http, self.clock, now=lambda: EPOCH)
        fetching = Fetching(
            self.store, self.venue, sources, self.clock, now=EPOCH, progress=lambda done, total: None,
            neighbours=neighbours,
        )  # fmt: skip
        return asyncio.run(fetching.run(self.plan(start, end, kind)))

    def hold(self, first: int, last: int) -> None:
        """Hold some trades already."""
        page = self.product.row
        body = [page(number, advanced=self.venue.name != "coinbase") for number in range(first, last + 1)]
        raw = json.dumps(body if self.venue.name == "coinbase" else {"trades": body}).encode()
        rows = self.venue.history.trades_page(raw, self.tape, None, 0).rows
        commit = Commit(now=EPOCH, known_at=0, trades=[(self.tape, rows)])
        commit.vouched = [Vouched(self.tape, first, last, Evidence.REST)]
        self.store.commit(partial(settle, commit=commit))

    def held(self) -> list[int]:
        return [row.seq for row in self.store.trades(self.tape.id, 0, 2**62)]

    def inside(self, start: int, end: int) -> list[int]:
        return [n for n, time in enumerate(self.product.times, 1) if start <= time < end]


class _Url:
    def __init__(self, name: str) -> None:
        self.url = "/brokerage/" if name != "coinbase" else "/"


@pytest.mark.parametrize("name", SURFACES)
@pytest.mark.parametrize(("back", "hours"), [(20, 2), (1, 1)])
def test_trades_of_a_time_come_whole_and_no_others(name, back, hours):
    archive = Archive(name, Product(TIMES, page=PAGES[name]))
    archive.hold(len(TIMES) - 9, len(TIMES))  # what is held of another time says nothing of this one
    start, end = EPOCH - back * HOUR, EPOCH - back * HOUR + hours * HOUR
    assert archive.plan(start, end).work[0].shares[0].source == "rest"
    came = archive.fetch(start, end)
    assert came.troubles == []
    assert [n for n in archive.held() if n in set(archive.inside(start, end))] == archive.inside(start, end)
    assert len(archive.http.asked) <= len(archive.inside(start, end)) // PAGES[name] * 2 + 12
    before = len(archive.http.asked)
    archive.fetch(start, end)
    assert len(archive.http.asked) == before  # it remembers that this was all


@pytest.mark.parametrize("name", SURFACES)
def test_what_is_held_is_not_asked_for_again(name):
    archive = Archive(name, Product(TIMES, page=PAGES[name]))
    start, end = EPOCH - 10 * HOUR, EPOCH - 5 * HOUR
    inside = archive.inside(start, end)
    archive.hold(inside[200], inside[-300])
    assert archive.fetch(start, end).troubles == []
    assert archive.held()[-len(inside) :] == inside or archive.held() == inside
    assert len(archive.http.asked) <= 24


@pytest.mark.parametrize("name", SURFACES)
def test_minutes_of_a_footprint_are_whole_because_the_trades_on_either_side_come_too(name):
    archive = Archive(name, Product(TIMES, page=PAGES[name]))
    start, end = EPOCH - 7 * HOUR, EPOCH - 7 * HOUR + 3 * MINUTE
    assert archive.fetch(start, end, neighbours=True).troubles == []
    assert {one.start: one.proof for one in archive.store.candles(archive.instrument.id, start, end)} == {
        start + minute * MINUTE: Proof.REPAIRED for minute in range(3)
    }


def test_more_trades_in_a_second_than_a_page_are_named_where_only_time_can_be_asked_for():
    times = [EPOCH - HOUR + MINUTE * k for k in range(30)]
    times = sorted(times + [EPOCH - HOUR + 10 * MINUTE + SECOND + n * 10**6 for n in range(150)])
    archive = Archive("coinbase-advanced", Product(times, page=100))
    came = archive.fetch(EPOCH - HOUR, EPOCH - 30 * MINUTE)
    assert came.troubles == ["coinbase-advanced:A-USD trade: REST does not show ids 12 to 61"]
    assert came.missing == 30
    assert archive.held() == [*range(1, 12), *range(62, 181)]
    by_id = Archive("coinbase", Product(times))
    assert by_id.fetch(EPOCH - HOUR, EPOCH - 30 * MINUTE).troubles == []
    assert by_id.held() == list(range(1, 181))


@pytest.mark.parametrize("name", SURFACES)
def test_a_backfill_of_bars_shows_quiet_minutes_to_be_empty_and_believes_no_blank_page(name):
    times = [EPOCH - 5 * HOUR + MINUTE * k + SECOND for k in (0, 1, 7, 90)]
    product = Product(times)
    product.blank = 1
    archive = Archive(name, product)
    came = archive.fetch(EPOCH - 5 * HOUR, EPOCH - 3 * HOUR, "bars")
    assert (came.troubles, came.minutes) == ([], 120)
    candles = archive.store.candles(archive.instrument.id, EPOCH - 5 * HOUR, EPOCH - 3 * HOUR)
    assert [(one.start - EPOCH) // MINUTE for one in candles if one.state is State.TRADED] == [-300, -299, -293, -210]
    assert [one.start for one in candles] == [EPOCH - 5 * HOUR + MINUTE * k for k in range(120)]
    assert {one.proof for one in candles} == {Proof.OFFICIAL}
    assert [one.close for one in candles[2:7]] == [candles[1].close] * 5
