"""Clients of Coinbase, unmodified, with nothing but their base URLs changed."""

import asyncio
import json
import os
import sys
from pathlib import Path

import ccxt.pro
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

PATIENCE_S = 20
ROOT = Path(__file__).parents[2]
OFFICIAL = ROOT / ".venv-clients" / "bin" / "python"
SCRIPT = Path(__file__).parent / "clients" / "advanced_py.py"
PEM = serialization.Encoding.PEM


def secret(key):
    plain = serialization.NoEncryption()
    return key.private_bytes(PEM, serialization.PrivateFormat.TraditionalOpenSSL, plain)


async def said(running, over_tls, command, given=(), **options):
    """Runs a client as a process of its own against a simulator; returns what it printed."""
    options = {"venue": "coinbase-advanced", "speed": 5.0, "instruments": 2, **options}
    certificate = os.environ["SSL_CERT_FILE"]
    async with running(**options) as url, over_tls(url) as host:
        process = await asyncio.create_subprocess_exec(
            *command,
            host,
            *given,
            env={"REQUESTS_CA_BUNDLE": certificate, "SSL_CERT_FILE": certificate},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 2 * PATIENCE_S)
        assert process.returncode == 0, err.decode()[-2_000:]
        return json.loads(out)


@pytest.mark.parametrize("with_key", [False, True], ids=["keyless", "with a key that signs tokens"])
def test_coinbase_advanced_py_receives_all_channels_and_rest(running, over_tls, tmp_path, with_key):
    if not OFFICIAL.exists():
        pytest.skip("coinbase-advanced-py wants a version of websockets that ours contradicts: no .venv-clients here")
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "key.pem").write_bytes(secret(key))
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public = key.public_key().public_bytes(PEM, form).decode()
    script = tmp_path / "limits.toml"
    script.write_text(f"[limits]\njwt_required = {str(with_key).lower()}\njwt_key = '''{public}'''\n")

    given = ["a/key", str(tmp_path / "key.pem")] if with_key else []
    limits = {"faults": str(script), "api_key": "a/key"}
    got = asyncio.run(said(running, over_tls, [str(OFFICIAL), str(SCRIPT)], given, **limits))
    frames = got["frames"]
    assert [frame["sequence_num"] for frame in frames] == list(range(len(frames)))
    assert {"heartbeats", "market_trades", "l2_data", "ticker", "candles", "subscriptions"} <= {
        frame["channel"] for frame in frames
    }
    told = {
        trade["trade_id"]: trade
        for frame in frames
        if frame["channel"] == "market_trades"
        for event in frame["events"]
        for trade in event["trades"]
        if trade["product_id"] == "BTC-USD"
    }
    ids = sorted(map(int, told))
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    both = [row for row in got["trades"]["trades"] if row["trade_id"] in told]
    assert all({**told[row["trade_id"]], "bid": "", "ask": "", "exchange": "coinbase"} == row for row in both)
    assert set(got["products"]) == {"BTC-USD", "ETH-USD", "BTC-USDC", "ETH-USDC"}
    assert len(got["candles"]["candles"]) == 11
    assert len(got["book"]["pricebook"]["bids"]) == 3


def test_ccxt_receives_trades_tickers_and_rest_of_the_exchange(running):
    async def main():
        async with running(venue="coinbase", speed=30.0, instruments=2) as url:
            client = ccxt.pro.coinbaseexchange()
            client.urls["api"].update({"public": url, "ws": url.replace("http", "ws")})
            try:
                trades = await asyncio.wait_for(client.watch_trades("BTC/USD"), PATIENCE_S)
                ticker = await asyncio.wait_for(client.watch_ticker("BTC/USD"), PATIENCE_S)
                page = await client.fetch_trades("BTC/USD", limit=1000)
                candles = await client.fetch_ohlcv("BTC/USD", "1m", limit=10)
                book = await client.fetch_order_book("BTC/USD")
                told = await client.fetch_ticker("BTC/USD")
                with pytest.raises(ccxt.AuthenticationError):  # it asks for `level2`, which needs a key
                    await client.watch_order_book("BTC/USD")
            finally:
                await client.close()
            fetched = {trade["id"]: trade for trade in page}
            for trade in trades:
                if trade["id"] in fetched:
                    assert fetched[trade["id"]]["side"] == trade["side"]
                    assert fetched[trade["id"]]["price"] == trade["price"]
                    assert trade["side"] != trade["info"]["side"]  # the maker's, which the library inverts
            assert trades[-1]["id"] in fetched
            assert ticker["last"] > 0
            assert told["last"] > 0
            assert 9 <= len(candles) <= 11
            assert book["bids"][0][0] < book["asks"][0][0]

    asyncio.run(main())


def test_ccxt_receives_trades_books_and_rest_of_advanced_trade(running):
    async def main():
        async with running(venue="coinbase-advanced", speed=30.0, instruments=2) as url:
            client = ccxt.pro.coinbase()
            client.urls["api"].update({"rest": url, "ws": url.replace("http", "ws")})
            try:
                trades = await asyncio.wait_for(client.watch_trades("BTC/USD"), PATIENCE_S)
                book = await asyncio.wait_for(client.watch_order_book("ETH/USD"), PATIENCE_S)
                ticker = await asyncio.wait_for(client.watch_ticker("BTC/USD"), PATIENCE_S)
                page = await client.fetch_trades("BTC/USD", limit=1000)
                since = trades[-1]["timestamp"] // 60_000 * 60_000 - 600_000
                candles = await client.fetch_ohlcv("BTC/USD", "1m", since, 10)
            finally:
                await client.close()
            assert [trade["id"] for trade in trades] == sorted(trade["id"] for trade in trades)
            assert trades[-1]["id"] in {trade["id"] for trade in page}
            assert book["bids"][0][0] < book["asks"][0][0]
            assert ticker["last"] > 0
            assert len(candles) == 10

    asyncio.run(main())


CRYPTOFEED = """
import asyncio, json, logging, sys
from cryptofeed import FeedHandler
from cryptofeed.connection import RestEndpoint, Routes, WebsocketEndpoint
from cryptofeed.defines import L2_BOOK, TRADES
from cryptofeed.exchanges import Coinbase

host, ids, books, done = sys.argv[1], [], [], asyncio.Event()
Coinbase.websocket_endpoints = [WebsocketEndpoint(f"wss://{host}", options={"compression": None})]
Coinbase.rest_endpoints = [RestEndpoint(f"https://{host}/api/v3/brokerage", routes=Routes("/products"))]

async def traded(trade, received):
    ids.append(int(trade.id))
    if len(ids) >= 30 and books:
        done.set()

async def changed(book, received):
    books.append((len(book.book.bids), len(book.book.asks)))
    if len(ids) >= 30 and books:
        done.set()

async def main():
    config = {"uvloop": False, "log": {"disabled": True}, "coinbase": {"key_id": "sim-key", "key_secret": "x"}}
    Coinbase.symbols(config)
    handler = FeedHandler(config=config)
    handler.add_feed(Coinbase(symbols=["BTC-USD"], channels=[TRADES, L2_BOOK], config=config,
                              callbacks={TRADES: traded, L2_BOOK: changed}))
    handler.run(start_loop=False, install_signal_handlers=False)
    await asyncio.wait_for(done.wait(), 20)
    await handler.stop_async()

asyncio.run(main())
print(json.dumps({"ids": ids, "first_book": books[0]}))
"""


def test_cryptofeed_receives_trades_and_bids_of_advanced_trade(running, over_tls):
    """With a key, which it needs for its symbols; it looks for the side `ask`, which is `offer`, so asks stay out of
    its snapshot; it asks for `heartbeat`, which does not exist, and lives with the error. It knows no Exchange."""
    pytest.importorskip("cryptofeed")
    got = asyncio.run(said(running, over_tls, [sys.executable, "-c", CRYPTOFEED]))
    ids = sorted(got["ids"])
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    bids, asks = got["first_book"]
    assert bids > 100
    assert asks == 0
