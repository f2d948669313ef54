"""What streams tell beside trades and bars: whole books in their midst, and products that are traded no more."""

import asyncio
import json
from types import SimpleNamespace

from manual import ManualClock, settled
from msgspec.structs import replace
from swaps import OKX, SWAP, T0, Swap, candle, market

from gapless.budget.priority import Priority
from gapless.collect.bar_pages import BarPages
from gapless.collect.books import Books
from gapless.collect.listings import Listings
from gapless.collect.sources import Found
from gapless.model import MINUTE, MS, SECOND
from gapless.model.book import BookState
from gapless.tape.plan import Step

HOSTS = OKX.hosts("live", None)


def pushed(action: str, previous: int, seq: int, ms: int, bids=(), asks=()):
    """Read a push of `books` as a collector does."""
    row = {"asks": asks, "bids": bids, "ts": str(T0 + ms), "checksum": 0, "prevSeqId": previous, "seqId": seq}
    raw = {"arg": {"channel": "books", "instId": SWAP.symbol}, "action": action, "data": [row]}
    (event,) = OKX.streams.group([json.dumps(raw).encode()]).runs[f"books:{SWAP.symbol}"]
    return OKX.streams.depth(event, SWAP.scale("trade"))


def test_a_book_that_lost_a_change_is_begun_anew_by_stream_until_a_snapshot_comes() -> None:
    async def main() -> None:
        clock, renewed = ManualClock(), []
        books = Books(OKX, None, HOSTS, clock, renewed.append)  # type: ignore[arg-type]
        books.keep(SWAP)
        books.diff(SWAP.id, pushed("snapshot", -1, 10, 0, [["84000.1", "250", "0", "3"]], [["84000.2", "7", "0", "1"]]))
        following = asyncio.ensure_future(books.run())
        await settled()
        books.diff(SWAP.id, pushed("update", 10, 15, 100, [["84000.1", "100", "0", "2"]]))
        books.diff(SWAP.id, pushed("update", 15, 15, 200))
        top = books.top(SWAP.id, 1)
        assert top is not None
        assert (top["bids"], top["asks"]) == ([["84000.1", "1.0000"]], [["84000.2", "0.0700"]])
        books.diff(SWAP.id, pushed("update", 17, 20, 300))
        await settled()
        assert (renewed, books.top(SWAP.id, 1)["bids"]) == ([SWAP.id], [])  # type: ignore[index]
        await clock.pass_by(2 * SECOND)
        assert len(renewed) == 1  # a message is no more lost than it is late: only what comes tells
        books.diff(SWAP.id, pushed("update", 30, 40, 2_300))
        await settled()
        assert len(renewed) == 2  # its snapshot was lost
        books.diff(SWAP.id, pushed("snapshot", -1, 50, 2_400, [["84000.1", "1", "0", "1"]], []))
        await clock.pass_by(60 * SECOND)
        assert (len(renewed), books.top(SWAP.id, 1)["state"]) == (2, BookState.LIVE.value)  # type: ignore[index]
        following.cancel()

    asyncio.run(main())


def test_five_best_levels_are_the_whole_book_each_time_and_none_is_begun_anew() -> None:
    renewed: list[str] = []
    books = Books(OKX, None, HOSTS, ManualClock(), renewed.append)  # type: ignore[arg-type]
    books.keep(SWAP)
    for n in (1, 2):
        row = {"asks": [["84001", str(n), "0", "1"]], "bids": [["84000", "3", "0", "1"]], "ts": str(T0), "seqId": n}
        raw = json.dumps({"arg": {"channel": "books5", "instId": SWAP.symbol}, "data": [row]}).encode()
        (event,) = OKX.streams.group([raw]).runs[f"books5:{SWAP.symbol}"]
        books.diff(SWAP.id, OKX.streams.depth(event, SWAP.scale("trade")))
        top = books.top(SWAP.id, 5)
        assert top is not None
        assert (top["state"], top["asks"], top["update"]) == ("live", [["84001.0", f"0.0{n}00"]], n)
    assert renewed == []


def test_a_product_that_its_stream_calls_suspended_is_looked_up_at_once_and_ended_when_the_list_agrees() -> None:
    takers = market(20)
    swap, clock, ended, asked = Swap(), ManualClock(), [], []
    swap.takers(takers)
    swap.hear("candle1m", [candle([one for fills in takers for one in fills], 1)])
    swap.pipeline.attend(list(OKX.at_large))

    async def listed():
        asked.append(clock.monotonic())
        return [replace(SWAP, status="halted")]

    async def over(instrument) -> None:
        ended.append(instrument.status)

    async def get(request, **options) -> bytes:
        return b'{"code":"0","msg":"","data":[]}'

    rest = SimpleNamespace(get=get)
    listings = Listings(swap.pipeline, rest, HOSTS, clock, listed=listed, ended=over)  # type: ignore[arg-type]
    swap.pipeline.statuses = listings.told

    def told(state: str) -> None:
        row = {"instType": "SWAP", "instId": SWAP.symbol, "state": state}
        raw = {"arg": {"channel": "instruments", "instType": "SWAP"}, "data": [row]}
        assert swap.pipeline.batch(OKX.streams.group([json.dumps(raw).encode()]).runs, 1, 1) == []

    for state, looked in (("live", []), ("suspend", [clock.monotonic()])):
        told(state)
        asyncio.run(listings.look())
        assert asked == looked
    assert (ended, swap.line.ended) == (["halted"], True)
    told("suspend")
    asyncio.run(listings.look())
    assert len(asked) == 1


def test_what_a_stream_at_large_says_and_nobody_can_read_is_kept_as_odd_and_stops_nothing() -> None:
    swap = Swap()
    swap.pipeline.attend(list(OKX.at_large))
    assert len(swap.pipeline.batch({"instruments:SPOT": [7]}, 1, 1)) == 1


def test_the_bar_that_has_just_closed_is_final_at_once_where_history_shows_no_other() -> None:
    swap, clock = Swap(), ManualClock()
    takers = market(30)
    swap.takers(takers)
    row = candle([one for fills in takers for one in fills], 1)
    asked = []

    async def rest_bars(tape, start, end, priority):
        asked.append((start, end))
        return Found(bars=[OKX.history.bars(json.dumps({"code": "0", "data": [row]}).encode(), tape)[0]])

    pages = BarPages(SimpleNamespace(rest_bars=rest_bars), swap.pipeline, clock)  # type: ignore[arg-type]
    minute = (T0 + 60_000) * MS // MINUTE
    found = asyncio.run(pages.ask(swap.line, swap.line.bars, Step(minute, minute, 0), Priority.BARS))
    assert [bar.start for bar in found.bars] == [minute * MINUTE]
    assert len(asked) == 1
