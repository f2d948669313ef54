"""Recorded markets: nothing of the recording is lost, and nothing is shown that it does not hold."""

import asyncio
import contextlib
import csv
import gzip
import json
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest

from gapless.sim.capture.load import load_capture
from gapless.sim.errors import CaptureError, SimError

COMPARED = {"open": 1, "high": 2, "low": 3, "close": 4, "volume": 5, "quote_volume": 7, "count": 8}
COMPARED |= {"taker_buy_volume": 9, "taker_buy_quote_volume": 10}


async def play_to_end(probe, streams):
    """Subscribes streams by path and returns what each connection received when play has ended."""
    got = {path: [] for path in streams}
    sockets = []

    async def listen(path, socket):
        async for message in socket:
            if message.type != aiohttp.WSMsgType.TEXT:
                continue
            if message.data.endswith('"id":99}'):
                return  # the answer comes behind everything that was sent before it
            got[path].append(message.data)

    async with contextlib.AsyncExitStack() as stack:
        tasks = []
        for path in streams:
            sockets.append(await stack.enter_async_context(probe.socket(path)))
        # The market plays from the first subscription on: the others must not wait for a connection.
        for socket, names in zip(sockets, streams.values(), strict=True):
            await socket.send_json({"method": "SUBSCRIBE", "params": names, "id": 1})
        tasks += [asyncio.create_task(listen(path, socket)) for path, socket in zip(streams, sockets, strict=True)]
        while not (await probe.get("/sim/state"))[1]["ended"]:  # noqa: ASYNC110 - the end lies behind HTTP
            await asyncio.sleep(0.1)
        for socket in sockets:
            await socket.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 99})
        await asyncio.gather(*tasks)
    return got


def journal_rows(path, tape):
    lines = [json.loads(line) for line in Path(path).read_text().splitlines()]
    return [line["row"] for line in lines if line["t"] == "row" and line["tape"] == tape], lines


def test_recorded_trades_are_played_byte_for_byte_and_minutes_equal_the_exchanges(running, probing, data, tmp_path):
    capture = data / "binance-usdm" / "btcusdt_20240808.raw.gz"
    journal = tmp_path / "journal"

    async def main():
        async with running(captures=(capture,), speed=60.0, journal=journal) as url, probing(url) as probe:
            streams = {"/market/stream": ["btcusdt@kline_1m", "btcusdt@aggTrade"], "/public/stream": ["btcusdt@trade"]}
            got = await play_to_end(probe, streams)
            status, rows, _ = await probe.get("/fapi/v1/klines?symbol=BTCUSDT&interval=1m&startTime=1723161200000")
            assert status == 200
            return got, rows

    got, rows = asyncio.run(main())
    recorded = []
    with gzip.open(capture, "rt") as file:
        for line in file:
            payload = line.rstrip("\n").split(" ", 1)[1]
            if '"btcusdt@trade"' in payload:
                recorded.append(payload)
    played = [text for text in got["/public/stream"] if '"stream"' in text]
    assert played == recorded

    with (data / "binance-usdm" / "BTCUSDT-1m-2024-08-08T2340_2024-08-09T0010.csv").open() as file:
        official = {int(row["open_time"]): row for row in csv.DictReader(file)}
    assert [row[0] for row in rows] == list(
        range(1723161300000, 1723161600000, 60_000)
    )  # 23:54 and 00:00 are held in part
    truth, lines = journal_rows(journal, "kline_1m")
    for served in (rows, truth):
        assert len(served) == 5
    for row in rows:
        for name, place in COMPARED.items():
            assert Decimal(str(row[place])) == Decimal(official[row[0]][name]), (row[0], name)
    closing = [json.loads(text)["data"]["k"] for text in got["/market/stream"] if '"x":true' in text]
    assert [k["t"] for k in closing] == [row[0] for row in rows]
    assert [k["q"] for k in closing] == [row[7] for row in rows]
    assert closing[0]["L"] + 1 == closing[1]["f"]
    kinds = [line["t"] for line in lines]
    assert kinds.count("end") == 1
    assert "row" not in kinds[kinds.index("end") :]

    aggs = [json.loads(text)["data"] for text in got["/market/stream"] if '"aggTrade"' in text]
    ids = [agg["a"] for agg in aggs]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert sum(Decimal(agg["q"]) for agg in aggs) == sum(Decimal(json.loads(text)["data"]["q"]) for text in recorded)
    assert aggs[0]["f"] == json.loads(recorded[0])["data"]["t"]
    assert aggs[-1]["l"] == json.loads(recorded[-1])["data"]["t"]
    assert [row[0] for row in journal_rows(journal, "agg")[0]] == ids
    assert len(journal_rows(journal, "trade")[0]) == 21_313


def test_a_spent_id_is_streamed_but_never_counted(running, probing, data, tmp_path):
    capture = data / "binance-usdm" / "trxusdt_trades_20250304.csv.gz"
    journal = tmp_path / "journal"

    async def main():
        async with running(captures=(capture,), speed=300.0, journal=journal) as url, probing(url) as probe:
            got = await play_to_end(probe, {"/public/stream": ["trxusdt@trade"]})
            path = "/fapi/v1/historicalTrades?symbol=TRXUSDT&fromId=548331094&limit=2"
            _, rows, _ = await probe.get(path, **{"X-MBX-APIKEY": "sim-key"})
            _, bars, _ = await probe.get("/fapi/v1/klines?symbol=TRXUSDT&interval=1m&limit=1500")
            _, info, _ = await probe.get("/fapi/v1/exchangeInfo")
            return got, rows, bars, info

    got, rows, bars, info = asyncio.run(main())
    events = {event["t"]: event for event in (json.loads(t)["data"] for t in got["/public/stream"] if '"stream"' in t)}
    assert len(events) == 10_000
    assert events[548331095]["X"] != "MARKET"
    assert Decimal(events[548331095]["p"]) == 0
    assert [row["id"] for row in rows] == [548331094, 548331096]
    assert 548331095 not in [row[0] for row in journal_rows(journal, "trade")[0]]
    with (data / "binance-usdm" / "TRXUSDT-1m-2025-03-03T2356_2025-03-04T0024.csv").open() as file:
        official = {int(row["open_time"]): row for row in csv.DictReader(file)}
    assert [row[0] for row in bars] == list(range(1741046460000, 1741047360000, 60_000))
    for row in bars:
        for name, place in COMPARED.items():
            assert Decimal(str(row[place])) == Decimal(official[row[0]][name]), (row[0], name)
    symbol = info["symbols"][0]
    assert (symbol["pricePrecision"], symbol["quantityPrecision"]) == (5, 0)


def test_two_spot_files_continue_across_midnight(data):
    files = [data / "binance-spot" / f"btcusdt_2024080{day}.raw.gz" for day in (9, 8)]  # given in the wrong order
    symbol = load_capture(files, futures=False).symbols["BTCUSDT"]
    ids = symbol.fills.rows.ids
    assert len(ids) == 19_904
    assert ids[-1] - ids[0] + 1 == 19_904
    assert (symbol.price.digits, symbol.price.wire) == (2, 8)  # trailing zeros are no digits
    assert symbol.price.text(6183763) == "61837.63000000"
    midnight = symbol.bars.bar("1m", 1723161600000, 2**60)
    assert midnight.trades == 1824
    pushes = [frame.push for frame in symbol.recorded["trade"]]
    assert pushes == sorted(pushes)


def test_recorded_book_equals_the_best_prices_of_the_recording(data):
    market = load_capture([data / "binance-usdm" / "btcusdt_20240808.raw.gz"], futures=True)
    symbol = market.symbols["BTCUSDT"]
    last = json.loads(symbol.recorded["bookTicker"][-1].payload)
    depth = symbol.book.at(market.end_ms, 5)
    assert symbol.price.text(depth.bids[0][0]) == last["b"]
    assert symbol.price.text(depth.asks[0][0]) == last["a"]


def test_archive_files_become_a_market(data):
    market = load_capture([data / "binance-usdm" / "ALGOUSDT-1m-2026-02.csv.zst"], futures=True)
    bars = market.symbols["ALGOUSDT"].bars
    held = [bars.bar("1m", start, market.end_ms) for start in range(market.start_ms, market.end_ms, 60_000)]
    assert sum(bar is not None for bar in held) == 40_320
    assert sum(bar is not None and bar.trades == 0 for bar in held) == 22


LINES = [
    '1700000000000000000 {"stream":"abcusdt@trade","data":{"e":"trade","E":1700000000005,"T":1700000000001,'
    '"s":"ABCUSDT","t":7,"p":"1.50","q":"2","X":"MARKET","m":false}}',
    '1700000000100000000 {"stream":"abcusdt@trade","data":{"e":"trade","E":1700000000105,"T":1700000000101,'
    '"s":"ABCUSDT","t":8,"p":"1.50","q":"3","X":"MARKET","m":false}}',
]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([*LINES, "garbage"], "line 3: is no frame"),
        ([*LINES, LINES[0].replace('"1.50"', '"abc"').replace(":7", ":9")], "line 3.*no decimal"),
        ([*LINES, LINES[0].replace('"t":7', '"t":"x"')], "line 3.*another shape"),
        ([], "is empty"),
        (["hello"], "is no frame"),
        (['1700000000000000000 {"stream":"abcusdt@depth","data":{"E":1,"s":"ABCUSDT"}}'], "holds no trades"),
    ],
)
def test_a_damaged_capture_names_file_and_line(tmp_path, lines, words):
    path = tmp_path / "capture.gz"
    path.write_bytes(gzip.compress("".join(line + "\n" for line in lines).encode()))
    with pytest.raises(SimError, match=words) as caught:
        load_capture([path], futures=True)
    assert str(path) in str(caught.value)


def test_a_truncated_capture_is_refused_instead_of_played_in_part(tmp_path):
    path = tmp_path / "capture.gz"
    whole = gzip.compress("".join(line + "\n" for line in LINES * 2000).encode())
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CaptureError, match="truncated"):
        load_capture([path], futures=True)


def test_fills_within_100_ms_of_the_first_are_one_aggregate(tmp_path):
    path = tmp_path / "capture.gz"
    path.write_bytes(gzip.compress("".join(line + "\n" for line in LINES).encode()))
    aggs = load_capture([path], futures=True).symbols["ABCUSDT"].aggs.rows
    assert (aggs.first.tolist(), aggs.last.tolist(), aggs.qty.tolist()) == ([7], [8], [5])
    later = [LINES[0], LINES[1].replace("1700000000101", "1700000000102")]
    path.write_bytes(gzip.compress("".join(line + "\n" for line in later).encode()))
    assert len(load_capture([path], futures=True).symbols["ABCUSDT"].aggs.rows) == 2
