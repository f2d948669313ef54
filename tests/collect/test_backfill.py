"""A backfill is priced before it is spent, asks the cheapest source, and never for what it holds."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from desk import BINANCE
from manual import EPOCH, Answer, Asked, HandHttp, Impatient, reply
from tiny_market import BTC, DAY_MS, ID, START_MS, TinyMarket

from gapless.budget.state import Ceiling
from gapless.collect.backfill import BackfillPlan, Planner
from gapless.collect.fetching import Fetched, Fetching, stay
from gapless.collect.rest import RestClient
from gapless.collect.retention import Retention
from gapless.collect.sources import Sources
from gapless.model import DAY, HOUR, MINUTE, Evidence, Proof, TapeKind
from gapless.store.budget import MemoryBudget
from gapless.store.sqlite import SqliteStore
from gapless.tape.aging import Ages

HOSTS = BINANCE.hosts("live", None)
MIDNIGHT = EPOCH - 12 * HOUR


@pytest.fixture(autouse=True)
def _files_are_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(function: Callable[..., Any], *arguments: Any) -> Any:
        return function(*arguments)

    monkeypatch.setattr("asyncio.to_thread", at_once)


class Yard:
    """A market of one trade every 10 s from midnight on, and a store that is filled from it."""

    def __init__(self, *, answer: Callable[[Asked], Answer | None] | None = None) -> None:
        self.market = TinyMarket(step=10_000, shown=8_640 * 3, start_ms=START_MS - DAY_MS // 2)
        self.market.now_ms += 3 * DAY_MS
        self.store = SqliteStore(":memory:", environment="sim")
        self.store.put_instrument(BTC)
        self.odd = answer
        self.clock = Impatient()
        self.http = HandHttp(self.clock, self._answer)
        self.ceiling = Ceiling(weight_per_minute=2_400)
        self.now = EPOCH
        self.progress: list[float] = []

    def _answer(self, asked: Asked) -> Answer:
        odd = self.odd(asked) if self.odd else None
        if odd is not None:
            return odd
        if asked.path == "aggTrades" and "startTime" in asked.query:
            number = -(-(asked.number("startTime") - self.market.start_ms) // self.market.step)
            return reply([self.market.agg(number)])
        return self.market.answer(asked)

    def plan(self, start: int, end: int, kind: TapeKind = "agg", *, archive: bool = True) -> BackfillPlan:
        planner = Planner(self.store, BINANCE, HOSTS, self.ceiling, now=self.now, archive=archive)
        return planner.plan([BTC], start, end, [kind])

    def fetch(self, planned: BackfillPlan, *, stop: int | None = None, neighbours: bool = False) -> Fetched:
        """Spend a plan; with `stop` it is cancelled when that many requests have been sent."""

        async def some() -> Fetched:
            rest = RestClient(self.http, MemoryBudget(), self.clock, BINANCE, self.ceiling, api_key=None)
            sources = Sources(BINANCE, HOSTS, rest, self.http, self.clock, now=lambda: self.now)
            task = asyncio.current_task()

            def progress(done: float, total: float) -> None:
                self.progress.append(done / total)
                if stop is not None and len(self.http.asked) >= stop and task:
                    task.cancel()

            fetching = Fetching(
                self.store, BINANCE, sources, self.clock, now=self.now, progress=progress, neighbours=neighbours
            )
            try:
                return await fetching.run(planned)
            except asyncio.CancelledError:
                return fetching.done

        return asyncio.run(some())

    def held(self) -> list[int]:
        tape = next(t for t in self.store.tapes(ID) if t.kind == "agg")
        return [row.seq for row in self.store.trades(tape.id, 0, 2**62)]


def test_a_plan_asks_nobody() -> None:
    yard = Yard()
    planned = yard.plan(MIDNIGHT, EPOCH)
    (work,) = planned.work
    assert (yard.http.asked, work.missing, planned.exact) == ([], 720, False)
    assert [(share.source, share.requests, share.weight) for share in work.shares] == [("rest", 2, 40)]


def test_past_days_of_trades_come_from_their_files_and_today_by_rest() -> None:
    yard = Yard()
    yard.now = EPOCH + DAY
    (work,) = yard.plan(MIDNIGHT, EPOCH + DAY).work
    assert [(share.source, share.files, share.start, share.end) for share in work.shares] == [
        ("archive", 1, MIDNIGHT, MIDNIGHT + DAY),
        ("rest", 0, MIDNIGHT + DAY, EPOCH + DAY),
    ]


def test_trades_are_paged_by_id_from_the_first_of_the_time_to_the_last_and_only_once() -> None:
    yard = Yard()
    came = yard.fetch(yard.plan(MIDNIGHT + HOUR, EPOCH))
    assert (came.trades, came.missing, came.sources) == (3_960, 0, {"rest": 3_960})
    assert yard.held() == list(range(360, 4_320))
    asked = len(yard.http.asked)
    assert asked == 5
    again = yard.plan(MIDNIGHT + HOUR, EPOCH)
    assert (again.requests, again.work[0].missing) == (0, 0)
    yard.fetch(again)
    assert len(yard.http.asked) == asked
    assert yard.progress == sorted(yard.progress)


def test_a_stopped_backfill_goes_on_where_it_was() -> None:
    yard = Yard()
    yard.fetch(yard.plan(MIDNIGHT, EPOCH), stop=3)
    kept = yard.held()
    assert kept == list(range(2_000))
    yard.fetch(yard.plan(MIDNIGHT, EPOCH))
    assert yard.held() == list(range(4_320))
    pages = [asked.query["fromId"] for asked in yard.http.asked if "fromId" in asked.query]
    assert pages == ["0", "1000", "2000", "3000", "4000"]


def test_what_is_held_in_the_middle_is_not_asked_for() -> None:
    yard = Yard()
    yard.fetch(yard.plan(MIDNIGHT + 4 * HOUR, MIDNIGHT + 8 * HOUR))
    asked = len(yard.http.asked)
    yard.fetch(yard.plan(MIDNIGHT, EPOCH))
    assert yard.held() == list(range(4_320))
    pages = [int(a.query["fromId"]) for a in yard.http.asked[asked:] if "fromId" in a.query]
    limits = [int(a.query["limit"]) for a in yard.http.asked[asked:] if "fromId" in a.query]
    assert all(not 1_440 <= first < 2_880 for first in pages)
    assert all(first + limit <= 1_440 for first, limit in zip(pages, limits, strict=True) if first < 1_440)


def test_a_day_comes_from_its_file_without_weight() -> None:
    yard = Yard()
    yard.now = EPOCH + DAY
    yard.market.publish("aggTrades", range(8_640))
    planned = yard.plan(MIDNIGHT, MIDNIGHT + DAY)
    came = yard.fetch(planned)
    assert (planned.weight, came.trades, came.sources) == (0, 8_640, {"archive": 8_640})
    tape = yard.store.tapes(ID)[0]
    assert [(s.first, s.last, s.evidence) for s in yard.store.all_spans(tape.id)] == [(0, 8_639, Evidence.ARCHIVE)]
    assert yard.plan(MIDNIGHT, MIDNIGHT + DAY).work[0].shares == []


@pytest.mark.parametrize(
    ("hours", "days_later", "sources"),
    [
        ((2, 4), 10, {"archive": 722}),
        ((0, 2), 10, {"archive": 722}),  # the trade before lies in the file of the day before
        ((22, 24), 10, {"archive": 722}),
        ((22, 24), 1, {"archive": 721, "rest": 1}),  # the next day has no file yet
    ],
)
def test_the_first_and_the_last_minute_of_a_question_are_whole_where_a_file_answers(hours, days_later, sources) -> None:
    yard = Yard()
    yard.now = EPOCH + (1 + days_later) * DAY
    for day in range(3 if days_later > 1 else 2):
        yard.market.publish("aggTrades", range(day * 8_640, (day + 1) * 8_640))
    start, end = (MIDNIGHT + DAY + hour * HOUR for hour in hours)
    yard.fetch(yard.plan(start, end, "bars", archive=False))
    came = yard.fetch(yard.plan(start, end), neighbours=True)
    first = 8_640 + hours[0] * 360
    assert yard.held() == list(range(first - 1, first + 721))
    assert (came.troubles, came.sources) == ([], sources)
    proofs = {bar.start: bar.proof for bar in yard.store.candles(ID, start, end)}
    assert {proofs[start], proofs[end - MINUTE]} == {Proof.REPAIRED}


def test_a_file_that_is_not_there_is_made_up_for_by_rest_while_rest_has_it() -> None:
    yard = Yard()
    yard.now = EPOCH + DAY
    came = yard.fetch(yard.plan(MIDNIGHT, MIDNIGHT + DAY))
    assert (came.trades, came.sources) == (8_640, {"rest": 8_640})


def test_what_nobody_has_is_said_and_counted_as_missing() -> None:
    yard = Yard()
    yard.now = EPOCH + 10 * DAY
    came = yard.fetch(yard.plan(MIDNIGHT, MIDNIGHT + DAY))
    assert (came.trades, came.missing, came.troubles) == (
        0, 1_440, ["binance:BTCUSDT agg: there is no file of 2026-01-07"],
    )  # fmt: skip
    (share,) = yard.plan(MIDNIGHT, MIDNIGHT + DAY, archive=False).work[0].shares
    assert share.source is None


@pytest.mark.parametrize("wrong", ["before", "left out", "no rows"])
def test_a_wrong_page_is_asked_for_again_and_not_stored(wrong: str) -> None:
    left = [1]

    def answer(asked: Asked) -> Answer | None:
        first = int(asked.query.get("fromId", -1))
        if first != 1_000 or not left:
            return None
        left.pop()
        numbers = {"before": range(500, 1_500), "left out": [1_000, *range(1_002, 2_000)], "no rows": []}[wrong]
        return reply(b"<html>") if wrong == "no rows" else reply([yard.market.agg(number) for number in numbers])

    yard = Yard(answer=answer)
    came = yard.fetch(yard.plan(MIDNIGHT, EPOCH))
    assert yard.held() == list(range(4_320))
    assert came.rejected == 1


def test_bars_that_cannot_be_right_are_not_stored_by_a_backfill() -> None:
    left = [1]

    def answer(asked: Asked) -> Answer | None:
        if asked.path != "klines" or not left:
            return None
        left.pop()
        return reply([yard.market.kline(minute) for minute in (2_000, 2_001)])

    yard = Yard(answer=answer)
    came = yard.fetch(yard.plan(MIDNIGHT, MIDNIGHT + HOUR, "bars"))
    assert (came.minutes, came.rejected) == (60, 1)
    assert len(yard.store.candles(ID, 0, EPOCH + 9 * DAY)) == 60


def test_the_time_of_a_plan_is_that_of_the_budget() -> None:
    yard = Yard()
    year = 365 * DAY
    free = yard.plan(MIDNIGHT - year, MIDNIGHT, "bars", archive=False)
    assert (free.requests, free.weight, free.weight_per_minute) == (526, 2_630, 1_440)
    assert free.seconds == pytest.approx(131.5)
    yard.ceiling = Ceiling(weight_per_minute=100)
    assert yard.plan(MIDNIGHT - year, MIDNIGHT, "bars", archive=False).seconds == 43 * 60
    yard.ceiling = Ceiling(weight_per_minute=2_400, requests_per_hour=100)
    assert yard.plan(MIDNIGHT - year, MIDNIGHT, "bars", archive=False).seconds == pytest.approx(526 * 60)


def test_bars_by_rest_are_cheap_until_the_own_budget_is_small() -> None:
    yard = Yard()
    yard.now = EPOCH + 9 * DAY

    def sources() -> set[str | None]:
        return {share.source for share in yard.plan(MIDNIGHT, MIDNIGHT + 3 * DAY, "bars").work[0].shares}

    assert sources() == {"rest"}
    yard.ceiling = Ceiling(weight_per_minute=2_400, requests_per_hour=20)
    assert sources() == {"archive"}


def test_every_minute_is_planned_once() -> None:
    yard = Yard()
    yard.now = EPOCH + 9 * DAY
    yard.ceiling = Ceiling(weight_per_minute=2_400, requests_per_hour=20)
    yard.fetch(yard.plan(MIDNIGHT + 3 * HOUR, MIDNIGHT + 5 * HOUR, "bars", archive=False))
    (work,) = yard.plan(MIDNIGHT, MIDNIGHT + 2 * DAY, "bars").work
    ids = [minute for share in work.shares for a, b in share.ids or () for minute in range(a, b + 1)]
    assert (len(ids), len(set(ids)), work.missing) == (2_760, 2_760, 2_760)
    assert not any(MIDNIGHT + 3 * HOUR <= minute * MINUTE < MIDNIGHT + 5 * HOUR for minute in ids)


def test_what_was_asked_for_stays_also_where_it_was_held_before() -> None:
    yard = Yard()
    yard.fetch(yard.plan(MIDNIGHT + HOUR, MIDNIGHT + 3 * HOUR))
    tape = next(t for t in yard.store.tapes(ID) if t.kind == "agg")
    assert yard.store.kept(tape.id) == [(360, 1_079)]
    yard.store.commit(lambda tx: tx.put_kept(tape.id, []))
    yard.fetch(yard.plan(MIDNIGHT + 2 * HOUR, MIDNIGHT + 4 * HOUR))
    assert yard.store.kept(tape.id) == [(720, 1_439)]
    stay(yard.store, yard.plan(MIDNIGHT + HOUR, MIDNIGHT + 2 * HOUR).work[0])
    assert yard.store.kept(tape.id) == [(360, 1_439)]


def test_an_expired_time_that_is_asked_for_is_fetched_again_and_stays() -> None:
    yard = Yard()
    yard.fetch(yard.plan(MIDNIGHT, EPOCH))
    yard.fetch(yard.plan(MIDNIGHT, EPOCH, "bars"))
    tape = next(t for t in yard.store.tapes(ID) if t.kind == "agg")
    yard.store.commit(lambda tx: tx.put_kept(tape.id, []))
    ages = Ages(trades=HOUR, events=None, log=None)
    done = asyncio.run(Retention(yard.store, ages, yard.clock).run())
    assert done.trades == 4_320 - len(yard.held())
    assert len(yard.held()) < 400
    before = yard.store.candles(ID, MIDNIGHT, EPOCH)
    came = yard.fetch(yard.plan(MIDNIGHT + 2 * HOUR, MIDNIGHT + 3 * HOUR))
    assert (came.trades, came.missing) == (360, 0)
    assert [plan.missing for plan in yard.plan(MIDNIGHT + 2 * HOUR, MIDNIGHT + 3 * HOUR).work] == [0]
    assert asyncio.run(Retention(yard.store, ages, yard.clock).run()).trades == 0
    assert yard.store.candles(ID, MIDNIGHT, EPOCH) == before
