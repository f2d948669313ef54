"""The REST side of the simulated OKX: pages, limits, errors, faults, and what its journal says of contracts."""

import asyncio
import json

import pytest

from gapless.sim.bars import MINUTE
from gapless.sim.errors import SimError
from gapless.sim.limits import Windows
from gapless.sim.okx.presets import PRESETS
from gapless.sim.okx.rest import Endpoints
from gapless.sim.okx.table import RATES, Table
from gapless.sim.options import SimOptions
from gapless.sim.server import build
from gapless.sim.synthetic.market import START_MS
from gapless.sim.venue import Ask, Refusal

NAME = "BTC-USDT-SWAP"


@pytest.fixture(scope="module")
def market():
    service = build(SimOptions(venue="okx", instruments=6))
    yield service.hub.market
    service.close()


@pytest.fixture
def asked(market):
    """Answers a request at the start of the market."""
    endpoints = Endpoints(Table(), market, lambda: START_MS)

    def ask(family, now=START_MS, **params):
        path = next(path for path in endpoints.endpoints if path.endswith("/" + family))
        told = {key: str(value) for key, value in params.items()}
        return json.loads(endpoints.endpoints[path].answer(Ask(path, told, {}, now, now)))["data"]

    return ask


def test_a_walk_backwards_by_id_finds_every_trade_once(asked, market):
    newest = asked("trades", instId=NAME, limit=1)[0]
    found, after = [], int(newest["tradeId"]) + 1
    for _ in range(7):
        page = asked("history-trades", instId=NAME, after=after, limit=100)
        found += [int(row["tradeId"]) for row in page]
        after = found[-1]
    assert found == list(range(found[0], found[0] - 700, -1))
    rows = market.symbols[NAME].fills.cut(found[-1], found[0] + 1)
    assert found[::-1] == rows.ids.tolist()


def test_the_cursors_of_trades_are_exclusive_and_before_alone_gives_the_newest(asked):
    newest = asked("history-trades", instId=NAME, limit=3)
    ids = [int(row["tradeId"]) for row in newest]
    assert asked("history-trades", instId=NAME, after=ids[0], limit=2) == newest[1:]
    assert asked("history-trades", instId=NAME, before=ids[2], limit=100) == newest[:2]
    assert asked("history-trades", instId=NAME, before=ids[2] - 900, limit=3) == newest
    timed = asked("history-trades", instId=NAME, type=2, after=newest[0]["ts"], limit=50)
    assert all(int(row["ts"]) < int(newest[0]["ts"]) for row in timed)
    assert {row["tradeId"] for row in newest if int(row["ts"]) < int(newest[0]["ts"])} <= {r["tradeId"] for r in timed}
    assert len(asked("trades", instId=NAME, limit=500)) == 500


def test_the_cursors_of_candles_are_exclusive_and_only_the_newest_may_be_open(asked):
    def starts(rows):
        return [int(row[0]) for row in rows]

    now = START_MS + 30_000
    rows = asked("candles", now, instId=NAME, limit=5)
    assert starts(rows) == [START_MS - n * MINUTE for n in range(5)]
    assert [row[8] for row in rows] == ["0", "1", "1", "1", "1"]
    assert starts(asked("history-candles", now, instId=NAME, limit=2)) == [START_MS - MINUTE, START_MS - 2 * MINUTE]
    older = asked("candles", now, instId=NAME, after=START_MS - MINUTE, limit=2)
    assert starts(older) == [START_MS - 2 * MINUTE, START_MS - 3 * MINUTE]
    window = asked("history-candles", now, instId=NAME, after=START_MS, before=START_MS - 3 * MINUTE - 1)
    assert starts(window) == [START_MS - n * MINUTE for n in (1, 2, 3)]
    assert starts(asked("candles", now, instId=NAME, before=START_MS - 100 * MINUTE, limit=1)) == [START_MS]
    far = START_MS - 2_000 * MINUTE
    assert asked("candles", now, instId=NAME, after=far) == []
    assert len(asked("history-candles", now, instId=NAME, after=far, limit=300)) == 300
    assert all(row in asked("history-candles", now, instId=NAME) for row in rows[1:])


@pytest.mark.parametrize(
    ("family", "params", "status", "code"),
    [
        ("candles", {}, 400, "50014"),
        ("candles", {"instId": "NO-SUCH"}, 200, "51001"),
        ("candles", {"instId": NAME, "bar": "9m"}, 400, "51000"),
        ("candles", {"instId": NAME, "limit": "301"}, 400, "51000"),
        ("candles", {"instId": NAME, "after": "soon"}, 400, "51000"),
        ("history-trades", {"instId": NAME, "type": "2", "before": "5"}, 200, "50039"),
        ("instruments", {}, 400, "50014"),
        ("instruments", {"instType": "STOCK"}, 400, "51000"),
        ("instruments", {"instType": "OPTION"}, 400, "50014"),
        ("books", {"instId": NAME, "sz": "401"}, 400, "51000"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_the_venues_code(asked, family, params, status, code):
    with pytest.raises(Refusal) as refused:
        asked(family, **params)
    reply = refused.value.reply
    assert (reply.status, json.loads(reply.body)["code"]) == (status, code)


def test_instruments_books_and_tickers_have_their_rows(asked):
    names = [row["instId"] for kind in ("SPOT", "SWAP", "FUTURES") for row in asked("instruments", instType=kind)]
    assert names == ["BTC-USDT", "ETH-USDT", "BTC-USDT-SWAP", "ETH-USDT-SWAP", "BTC-USD-SWAP", "BTC-USDT-260327"]
    assert asked("instruments", instType="OPTION", uly="BTC-USD") == []
    assert [row["instId"] for row in asked("instruments", instType="SWAP", instFamily="BTC-USD")] == ["BTC-USD-SWAP"]
    assert [row["instId"] for row in asked("tickers", instType="FUTURES")] == ["BTC-USDT-260327"]
    assert asked("ticker", instId=NAME) == asked("tickers", instType="SWAP")[:1]
    (book,), (full,) = asked("books", instId=NAME, sz=20), asked("books-full", instId=NAME, sz=20)
    assert [len(book[side]) for side in ("asks", "bids")] == [20, 20]
    assert [[price, size, orders] for price, size, _, orders in book["asks"]] == full["asks"]
    assert {len(row) for row in book["bids"]} == {4}


def test_each_endpoint_has_its_own_window():
    limits = Windows(RATES)
    assert [limits.enter("me", 1, 100.0, "candles") for _ in range(41)] == ["ok"] * 40 + ["429"]
    assert limits.enter("me", 1, 100.0, "history-candles") == "ok"
    assert limits.enter("you", 1, 100.0, "candles") == "ok"
    assert limits.enter("me", 1, 101.9, "candles") == "429"
    assert limits.enter("me", 1, 102.0, "candles") == "ok"
    assert limits.enter("me", 1, 103.0, "instruments:SPOT") == "ok"
    assert limits.change(0.5) is not None
    assert [limits.enter("me", 1, 110.0, "books-full") for _ in range(6)] == ["ok"] * 5 + ["429"]
    assert (limits.totals.bans, limits.totals.refused) == (0, 3)


def test_a_fault_that_the_venue_does_not_have_is_refused_by_name():
    for name in PRESETS:
        build(SimOptions(venue="okx", instruments=1, faults=name)).close()
    with pytest.raises(SimError, match="captures of okx cannot be played"):
        build(SimOptions(venue="okx", captures=("some.gz",)))


def test_limits_are_told_with_50011_and_a_notice_comes_before_the_end(running, probing, tmp_path):
    """One simulator for all: too many handshakes, refusals of both forms, a notice, and contracts in the journal."""
    journal = tmp_path / "journal.jsonl"
    args = [{"channel": "trades-all", "instId": "BTC-USD-SWAP"}, {"channel": "candle1m", "instId": "BTC-USD-SWAP"}]

    async def main():
        async with running(venue="okx", instruments=5, speed=240.0, journal=journal) as url, probing(url) as probe:
            async with probe.socket("/ws/v5/business") as socket, asyncio.timeout(20):
                await socket.send_json({"op": "subscribe", "args": args})
                heard = 0
                while heard < 130:
                    heard += "tradeId" in (await socket.receive()).data
                refused = []
                for kind in ("http_429", "http_50011", "http_418"):
                    told = await probe.post("/sim/fault", {"kind": kind})
                    refused.append((*(await probe.get("/api/v5/public/time"))[:2], told))
                await probe.post("/sim/fault", {"kind": "notice", "seconds": 0.2})
                texts = []
                while isinstance((message := await socket.receive()).data, str):
                    texts.append(message.data)
                code = socket.close_code
            statuses = [(await probe.get("/ws/v5/public"))[0] for _ in range(4)]
            await probe.post("/sim/finish")
            return refused, [json.loads(text) for text in texts], code, statuses, (await probe.get("/sim/state"))[1]

    refused, texts, code, statuses, state = asyncio.run(main())
    assert refused[0][:2] == (429, {"msg": "Too Many Requests", "code": "50011"})
    assert (refused[1][0], refused[1][1]["code"]) == (200, "50011")
    assert (refused[2][0], refused[2][1]["code"]) == (200, "0")
    assert refused[2][2]["error"].startswith("fault http_418: okx has none")
    assert [m["code"] for m in texts if m.get("event") == "notice"] == ["64008"]
    assert code == 1001
    assert statuses[-1] == 429
    assert state["faults"] == {"http_429": 1, "http_50011": 1, "notice": 1}
    assert (state["rest"]["refused"], state["rest"]["bans_caused"], state["rest"]["while_banned"]) == (2, 0, 0)
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    assert [line for line in lines if line["t"] == "contract"] == [
        {"t": "contract", "symbol": "BTC-USD-SWAP", "worth": "100", "inverse": True}
    ]
    bars = [line["row"] for line in lines if line["t"] == "row" and line["tape"] == "kline_1m"]
    assert bars
    assert all(row[7:] == [None, None, None] for row in bars)
