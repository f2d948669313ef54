"""Official and common client libraries, unmodified, with nothing but their base URLs changed."""

import asyncio
from decimal import Decimal

import ccxt.pro
import pytest
from binance import AsyncClient, BinanceSocketManager

PATIENCE_S = 20


async def first_frames(socket, wanted):
    """Reads until `wanted` says yes."""
    got = []
    async with socket as stream:
        while not wanted(got):
            got.append(await asyncio.wait_for(stream.recv(), PATIENCE_S))
    return got


def test_python_binance_receives_futures_trades_candles_and_rest(running):
    async def main():
        async with running(speed=30.0) as url:
            client = AsyncClient("sim-key", "none")
            client.FUTURES_URL = f"{url}/fapi"
            manager = BinanceSocketManager(client)
            manager.FSTREAM_URL = url.replace("http", "ws") + "/"
            try:
                agg = await first_frames(manager.aggtrade_futures_socket("BTCUSDT"), lambda got: len(got) >= 20)
                bars = await first_frames(
                    manager.kline_futures_socket("BTCUSDT"), lambda got: any(m["k"]["x"] for m in got)
                )
                named = manager.futures_multiplex_socket(["ethusdt@kline_1m"])
                more = await first_frames(named, lambda got: len(got) >= 2)
                info = await client.futures_exchange_info()
                rows = await client.futures_klines(symbol="BTCUSDT", interval="1m", limit=5)
                page = await client.futures_aggregate_trades(symbol="BTCUSDT", fromId=agg[0]["data"]["a"], limit=10)
                old = await client.futures_historical_trades(symbol="BTCUSDT", limit=5)
            finally:
                await client.close_connection()
            ids = [m["data"]["a"] for m in agg]
            assert ids == list(range(ids[0], ids[0] + len(ids)))
            assert [row["a"] for row in page] == ids[:10]
            assert [row["p"] for row in page] == [m["data"]["p"] for m in agg[:10]]
            assert more[0]["data"]["k"]["i"] == "1m"
            assert bars[0]["e"] == "continuous_kline"
            assert "BTCUSDT" in [symbol["symbol"] for symbol in info["symbols"]]
            assert len(rows) == 5
            assert len(old) == 5

    asyncio.run(main())


def test_python_binance_receives_spot_trades_and_candles(running):
    async def main():
        async with running(venue="binance-spot", speed=60.0) as url:
            client = AsyncClient()
            client.API_URL = f"{url}/api"
            manager = BinanceSocketManager(client)
            manager.STREAM_URL = url.replace("http", "ws") + "/"
            try:
                trades = await first_frames(manager.trade_socket("BTCUSDT"), lambda got: len(got) >= 20)
                bars = await first_frames(manager.kline_socket("BTCUSDT"), lambda got: any(m["k"]["x"] for m in got))
                rows = await client.get_klines(symbol="BTCUSDT", interval="1m", limit=3)
                older = await client.get_historical_trades(symbol="BTCUSDT", fromId=trades[0]["t"], limit=20)
            finally:
                await client.close_connection()
            ids = [m["t"] for m in trades]
            assert ids == list(range(ids[0], ids[0] + len(ids)))
            assert [(row["id"], row["price"], row["qty"]) for row in older] == [
                (m["t"], m["p"], m["q"]) for m in trades[:20]
            ]
            closed = next(m["k"] for m in bars if m["k"]["x"])
            held = {row[0]: row for row in rows}
            if closed["t"] in held:
                assert held[closed["t"]][5] == closed["v"]

    asyncio.run(main())


@pytest.mark.parametrize("venue", ["binance", "binance-spot"])
def test_ccxt_receives_trades_and_candles(running, venue):
    async def main():
        async with running(venue=venue, speed=30.0) as url:
            futures = venue == "binance"
            kind, market = ("linear", "BTC/USDT:USDT") if futures else ("spot", "BTC/USDT")
            exchange = ccxt.pro.binance(
                {"options": {"fetchMarkets": {"types": [kind]}, "defaultType": "swap" if futures else "spot"}}
            )
            exchange.urls["api"]["fapiPublic"] = f"{url}/fapi/v1"
            exchange.urls["api"]["fapiPublicV2"] = f"{url}/fapi/v2"
            exchange.urls["api"]["public"] = f"{url}/api/v3"
            exchange.urls["api"]["ws"]["linear"] = url.replace("http", "ws") + "/ws"
            exchange.urls["api"]["ws"]["spot"] = url.replace("http", "ws") + "/ws"
            try:
                trades = await asyncio.wait_for(exchange.watch_trades(market), PATIENCE_S)
                candles = await asyncio.wait_for(exchange.watch_ohlcv(market, "1m"), PATIENCE_S)
                fetched = await exchange.fetch_ohlcv(market, "1m", limit=10)
                recent = await exchange.fetch_trades(market, limit=10)
                ticker = await exchange.fetch_ticker(market)
                book = await exchange.fetch_order_book(market, 10)
            finally:
                await exchange.close()
            assert trades[0]["symbol"] == market
            assert Decimal(str(trades[0]["price"])) > 0
            assert candles[-1][0] % 60_000 == 0
            assert len(fetched) == 10
            assert len(recent) == 10
            assert ticker["last"] > 0
            assert book["bids"][0][0] < book["asks"][0][0]

    asyncio.run(main())
