"""Recorded candle streams: what is played can be closed, and what was recorded as closed is served by REST too."""

import asyncio
import gzip
import json
from pathlib import Path

import pytest

from gapless.sim.capture.load import load_capture

MINUTE = 60_000
FIRST = 1_767_787_200_000
BEGAN = FIRST + 32_000  # in the middle of a minute


def kline(start: int, at: int, *, closed: bool) -> tuple[int, str, dict]:
    body = {
        "t": start, "T": start + MINUTE - 1, "s": "BTCUSDT", "i": "1m", "f": 1, "L": 2, "o": "5.0", "c": "5.0",
        "h": "5.0", "l": "5.0", "v": "1", "n": 2, "x": closed, "q": "5.0", "V": "1", "Q": "5.0",
    }  # fmt: skip
    return at, "kline_1m", {"e": "kline", "E": at, "s": "BTCUSDT", "k": body}


def trade(number: int, at: int) -> tuple[int, str, dict]:
    event = {"e": "aggTrade", "E": at, "T": at, "s": "BTCUSDT", "a": number, "p": "5.0", "q": "1", "f": number}
    return at, "aggTrade", event | {"l": number, "m": False}


def capture(folder: Path, *events: tuple[int, str, dict]) -> Path:
    path = folder / "recorded.gz"
    with gzip.open(path, "wt") as file:
        for at, stream, event in events:
            file.write(f"{at * 1_000_000} {json.dumps({'stream': f'btcusdt@{stream}', 'data': event})}\n")
    return path


def test_candles_of_a_minute_that_was_under_way_and_never_closed_are_not_played(tmp_path):
    path = capture(
        tmp_path,
        trade(1, BEGAN),
        kline(FIRST, BEGAN + 100, closed=False),
        trade(2, FIRST + MINUTE + 10),
        kline(FIRST + MINUTE, FIRST + MINUTE + 100, closed=False),
    )
    symbol = load_capture((path,), futures=True).symbols["BTCUSDT"]
    assert [frame.key for frame in symbol.recorded["kline_1m"]] == [FIRST + MINUTE]


@pytest.mark.parametrize("start", [FIRST, FIRST - MINUTE], ids=["under way at the start", "over at the start"])
def test_a_close_that_was_recorded_is_played_and_served(start, tmp_path, running, probing):
    end = start + MINUTE
    path = capture(
        tmp_path,
        trade(1, max(FIRST, end - 20_000)),
        kline(start, end + 300, closed=True),
        trade(2, end + 400),
    )

    async def main():
        async with running(captures=(path,), speed=600.0) as url, probing(url) as probe:
            async with probe.socket("/market/stream") as socket:
                await socket.send_json(
                    {"method": "SUBSCRIBE", "params": ["btcusdt@kline_1m", "btcusdt@aggTrade"], "id": 1}
                )
                while not (await probe.get("/sim/state"))[1]["ended"]:  # noqa: ASYNC110 - the end lies behind HTTP
                    await asyncio.sleep(0.02)
            query = f"symbol=BTCUSDT&interval=1m&startTime={FIRST - 2 * MINUTE}&limit=5"
            return (await probe.get(f"/fapi/v1/klines?{query}"))[1]

    rows = asyncio.run(main())
    assert [row[0] for row in rows] == [start]


def test_play_begins_with_a_trade_stream_that_the_capture_lacks(tmp_path, running, probing):
    path = capture(tmp_path, trade(1, FIRST), trade(2, FIRST + 1_000))

    async def main():
        async with (
            running(captures=(path,), speed=100.0) as url,
            probing(url) as probe,
            probe.socket("/public/stream") as socket,
            asyncio.timeout(10),
        ):
            await socket.send_json({"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": 1})
            while not (await probe.get("/sim/state"))[1]["ended"]:  # noqa: ASYNC110 - the end lies behind HTTP
                await asyncio.sleep(0.02)

    asyncio.run(main())
