"""The synthetic market: history and live are one market, whoever asks and whenever."""

import asyncio
import json
from pathlib import Path

import aiohttp
import numpy as np
import pytest

from gapless.sim.bars import MINUTE, fold, merge
from gapless.sim.capture.aggregate import aggregate
from gapless.sim.rows import VOID
from gapless.sim.synthetic.listing import listing
from gapless.sim.synthetic.market import START_MS, synthetic_market

HOUR = 3_600_000


@pytest.mark.parametrize("futures", [True, False])
@pytest.mark.parametrize("index", [0, 7, 30])
def test_any_way_to_a_trade_gives_the_same_trade(futures, index):
    one = list(synthetic_market(5, index + 1, None, futures=futures).symbols.values())[index]
    two = list(synthetic_market(5, index + 1, None, futures=futures).symbols.values())[index]
    for series, other in ((one.fills, two.fills), (one.aggs, two.aggs)):
        lo, hi = series.timed(START_MS - 5 * HOUR), series.timed(START_MS)
        rows = series.cut(lo, hi)
        assert np.all(np.diff(rows.ids) == 1)
        assert np.all(np.diff(rows.time) >= 0)
        assert np.all(np.diff(rows.push) >= 0)
        assert np.all(rows.push > rows.time)
        rng = np.random.default_rng(index)
        for at in rng.integers(0, len(rows) - 1, 60).tolist():
            single = other.cut(lo + at, lo + at + 1)
            assert [column[0] for column in single.columns()] == [column[at] for column in rows.columns()]
            assert other.numbered(int(rows.ids[at])) == lo + at
            pushed = other.pushed(int(rows.push[at]))
            assert other.cut(pushed - 1, pushed).push[0] <= rows.push[at] < other.cut(pushed, pushed + 1).push[0]


def test_another_seed_is_another_market():
    prices = []
    for seed in (1, 2):
        symbol = synthetic_market(seed, 1, None, futures=True).symbols["BTCUSDT"]
        prices.append(symbol.fills.cut(symbol.fills.timed(START_MS), symbol.fills.timed(START_MS) + 20).price.tolist())
    assert prices[0] != prices[1]


@pytest.mark.parametrize("futures", [True, False])
def test_aggregates_are_what_the_venues_rule_makes_of_the_trades(futures):
    symbol = synthetic_market(3, 1, None, futures=futures).symbols["BTCUSDT"]
    aggs = symbol.aggs.cut(symbol.aggs.timed(START_MS), symbol.aggs.timed(START_MS + HOUR))
    lo, hi = symbol.fills.numbered(int(aggs.first[0])), symbol.fills.numbered(int(aggs.last[-1]) + 1)
    made = aggregate(symbol.fills.cut(lo, hi), futures, int(aggs.ids[0]))
    for name in ("ids", "price", "qty", "net", "first", "last", "time", "maker"):
        assert np.array_equal(getattr(made, name), getattr(aggs, name)), name


def test_burned_ids_lie_between_and_inside_and_aggregates_cross_borders():
    symbol = synthetic_market(3, 1, None, futures=True).symbols["BTCUSDT"]
    aggs = symbol.aggs.cut(symbol.aggs.timed(START_MS), symbol.aggs.timed(START_MS + HOUR))
    fills = symbol.fills.cut(symbol.fills.timed(START_MS), symbol.fills.timed(START_MS + HOUR))
    void = fills.ids[fills.flag == VOID]
    owner = np.searchsorted(aggs.first, void, side="right") - 1
    inside = (owner >= 0) & (void < aggs.last[owner])
    assert inside.any()
    assert (~inside).any()
    assert np.any(np.diff(aggs.time) == 0)
    crossing = different = 0
    for border in range(START_MS + MINUTE, START_MS + HOUR, MINUTE):
        at = symbol.fills.timed(border)
        agg = symbol.aggs.timed(border)
        crossing += int(symbol.aggs.cut(agg - 1, agg).last[0]) >= at
        folded = fold(symbol.aggs.cut(symbol.aggs.timed(border - MINUTE), agg), border - MINUTE)
        different += folded.volume != symbol.bars.bar("1m", border - MINUTE, border + 10_000).volume
    assert crossing >= 5
    assert different >= 5


def test_a_long_bar_is_the_merge_of_its_minutes_and_an_empty_minute_is_flat():
    market = synthetic_market(1, 31, None, futures=True)
    symbol = list(market.symbols.values())[30]
    start = START_MS - 6 * HOUR
    minutes = [symbol.bars.bar("1m", start + k * MINUTE, START_MS) for k in range(60)]
    assert symbol.bars.bar("1h", start, START_MS) == merge(minutes, start)
    empty = [k for k in range(1, 60) if not minutes[k].trades]
    assert empty
    for k in empty:
        assert minutes[k].open == minutes[k].close == minutes[k - 1].close
        assert (minutes[k].first, minutes[k].last) == (-1, -1)


@pytest.mark.parametrize("futures", [True, False])
def test_a_book_kept_from_diffs_equals_the_snapshot_at_any_moment(futures):
    symbol = synthetic_market(2, 2, None, futures=futures).symbols["ETHUSDT"]
    book, at = symbol.book, START_MS
    sides = [dict(book.at(at, 1000).bids), dict(book.at(at, 1000).asks)]
    number = book.at(at, 1).number
    for step in range(1, 60):
        diff = book.diff(at, at + 250)
        at += 250
        assert diff.previous == number
        assert diff.first > number if futures else diff.first == number + 1
        for side, levels in zip(sides, (diff.bids, diff.asks), strict=True):
            for price, quantity in levels:
                if quantity:
                    side[price] = quantity
                else:
                    side.pop(price, None)
        number = diff.last
        now = book.at(at, 1000)
        assert (now.number, dict(now.bids), dict(now.asks)) == (number, *sides), step
        assert now.bids[0][0] < now.asks[0][0]


def test_names_beyond_the_majors_are_distinct():
    assert len({listing(index).name for index in range(400)}) == 400


def test_stream_rest_and_journal_tell_the_same(running, probing, tmp_path):
    journal = tmp_path / "journal"

    async def main():
        async with running(speed=60.0, instruments=3, journal=journal) as url, probing(url) as probe:
            seen = {"aggTrade": {}, "kline": {}}
            async with probe.socket("/market/stream?streams=btcusdt@kline_1m/btcusdt@aggTrade") as socket:
                while len(seen["kline"]) < 2 or len(seen["aggTrade"]) < 1000:
                    message = await socket.receive()
                    assert message.type == aiohttp.WSMsgType.TEXT
                    event = json.loads(message.data)["data"]
                    if event["e"] == "aggTrade":
                        seen["aggTrade"][event["a"]] = event
                    elif event["k"]["x"]:
                        seen["kline"][event["k"]["t"]] = event["k"]
                state = await probe.post("/sim/finish")
            first = min(seen["aggTrade"])
            _, page, _ = await probe.get(f"/fapi/v1/aggTrades?symbol=BTCUSDT&fromId={first}&limit=1000")
            _, newest, _ = await probe.get("/fapi/v1/aggTrades?symbol=BTCUSDT&limit=1")
            begin = min(seen["kline"])
            _, bars, _ = await probe.get(f"/fapi/v1/klines?symbol=BTCUSDT&interval=1m&startTime={begin}")
            return seen, page, newest, bars, state

    seen, page, newest, bars, state = asyncio.run(main())
    assert state["ended"]
    assert not state["playing"]
    for row in page:
        event = seen["aggTrade"][row["a"]]
        assert row == {key: event[key] for key in ("a", "p", "q", "nq", "f", "l", "T", "m")}
    lines = [json.loads(line) for line in Path(journal).read_text().splitlines()]
    rows = [line["row"] for line in lines if line["t"] == "row" and line["tape"] == "agg"]
    assert rows[0][0] == min(seen["aggTrade"])
    assert rows[-1][0] == newest[0]["a"]
    assert [row[0] for row in rows] == list(range(rows[0][0], rows[-1][0] + 1))
    assert rows[5] == [page[5][key] for key in ("a", "p", "q", "f", "l", "T", "m")]
    closed = {line["row"][0]: line["row"] for line in lines if line["t"] == "row" and line["tape"] == "kline_1m"}
    ended = [row for row in bars if row[6] < state["market_ms"]]
    assert sorted(closed) == [row[0] for row in ended]
    for row in ended:
        assert closed[row[0]] == [*row[:6], *row[7:11]]
    for start, k in seen["kline"].items():
        assert closed[start][5] == k["v"]


def test_a_restarted_world_goes_on_and_keeps_its_first_ids(running, probing, tmp_path):
    options = {"speed": 50.0, "instruments": 2, "journal": tmp_path / "journal", "world": tmp_path / "world"}

    async def first():
        async with running(**options) as url, probing(url) as probe:
            async with probe.socket("/market/ws/btcusdt@aggTrade") as socket:
                event = json.loads((await socket.receive()).data)
            return event["a"], (await probe.get("/sim/state"))[1]["market_ms"]

    async def second():
        async with running(**options) as url, probing(url) as probe:
            state = (await probe.get("/sim/state"))[1]
            async with probe.socket("/market/ws/btcusdt@aggTrade") as socket:
                event = json.loads((await socket.receive()).data)
            await probe.post("/sim/finish")
            return event["a"], state

    began, market_ms = asyncio.run(first())
    later, state = asyncio.run(second())
    assert state["playing"]
    assert state["market_ms"] >= market_ms
    assert later > began
    lines = [json.loads(line) for line in options["journal"].read_text().splitlines()]
    assert [line["id"] for line in lines if line["t"] == "offered"] == [began]
    rows = [line["row"][0] for line in lines if line["t"] == "row"]
    assert rows[0] == began
    assert rows == list(range(rows[0], rows[-1] + 1))
