"""The current ticker of one instrument, and which instruments come first, over HTTP."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from faces_world import ID, START, TICKER, World, Writer, served
from msgspec import convert
from msgspec.structs import replace
from test_routes import fetch

from gapless.results import Ticker


@pytest.fixture
def world(tmp_path: Path) -> World:
    writer = Writer(tmp_path / "tape.db")
    writer.trades(1)
    return World(Path(writer.store.path))


def play(world: World, *asked: tuple[str, str, Any]) -> list[tuple[int, Any]]:
    async def main() -> list[tuple[int, Any]]:
        async with served(world) as url:
            return [await fetch(url, path, method, json=body) for method, path, body in asked]

    return asyncio.run(main())


def test_the_current_ticker_has_the_seeds_keys_and_the_exact_values_in_any_spelling(world: World) -> None:
    paths = [f"/api/v1/tickers/{name}" for name in (ID, "BTC/USDT:USDT", "btcusdt")]
    answers = play(world, *(("GET", path, None) for path in paths))
    expected = {
        "crypto": "BTCUSDT", "price": 50000.0, "exchange": "binance", "bid": 50000.0, "ask": 50000.1,
        "volume_24h": 10.0, "timestamp": START // 1_000_000,
    }  # fmt: skip
    for status, body in answers:
        assert status == 200
        assert {key: body[key] for key in expected} == expected
        assert (body["last"], body["quote_volume"]) == (TICKER.last, TICKER.quote_volume)


def test_what_a_ticker_does_not_tell_is_null_and_its_own_bid_and_ask_come_first(world: World) -> None:
    world.current = [replace(TICKER, quote_volume="", trades=-1, bid="49999.5", ask="")]
    ((_, body), (_, listed)) = play(world, ("GET", f"/api/v1/tickers/{ID}", None), ("GET", "/api/v1/tickers", None))
    assert (body["bid"], body["ask"], body["quote_volume"], body["trades"]) == (49999.5, 50000.1, None, None)
    (row,) = listed["rows"]
    assert (row["bid"], row["ask"], row["quote_volume"], row["trades"]) == ("49999.5", None, None, None)
    assert convert(row, Ticker).quote_volume is None


def test_a_ticker_that_has_not_come_is_named(world: World) -> None:
    said = [body["error"] for status, body in play(
        world, ("GET", "/api/v1/tickers/binance:ETHUSDT", None), ("GET", "/api/v1/tickers/binance:NOPE", None)
    ) if status == 404]  # fmt: skip
    assert said[0] == "no ticker of binance:ETHUSDT has come yet"
    assert "no instrument 'binance:NOPE'" in said[1]


def test_an_instrument_is_put_first_and_no_longer(world: World) -> None:
    path = "/api/v1/priority"
    answers = play(
        world, ("GET", path, None), ("POST", path, {"add": [ID, "binance:NOPE"]}), ("GET", path, None),
        ("POST", path, {"remove": [ID]}), ("POST", path, {"put": [ID]}),
    )  # fmt: skip
    assert [status for status, _ in answers] == [200, 200, 200, 200, 400]
    assert answers[0][1] == {"priority": []}
    assert answers[1][1] == {"priority": [ID], "refused": [{"id": "binance:NOPE", "reason": "no"}]}
    assert answers[2][1] == {"priority": [ID]}
    assert answers[3][1] == {"priority": [], "refused": []}
