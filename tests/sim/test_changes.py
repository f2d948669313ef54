"""The market itself changes: symbols come and go, trades are forgotten, limits shrink, pages and sources go bad."""

import asyncio
import contextlib
import json
import socket as sockets

import pytest
from test_faults import AGG, ripen

from gapless.sim.faults.script import Entry
from gapless.sim.options import SimOptions
from gapless.sim.server import build

SPEED = 60.0
PAGE = "/fapi/v1/aggTrades?symbol=BTCUSDT&limit=200"
NEW = "XRPUSDT"  # the fourth of the synthetic instruments
MINUTE = 60_000


def changed(running, probing, act, *, instruments=3, streams=AGG, venue="binance", **options):
    """Lets `act` see a simulator whose first stream is old enough for faults."""

    async def main():
        async with (
            running(instruments=instruments, speed=SPEED, venue=venue, **options) as url,
            probing(url) as probe,
            asyncio.timeout(60),
        ):
            route = "/market" if venue == "binance" else ""
            async with probe.socket(f"{route}/stream?streams={streams}") as socket:
                await ripen(socket)
                return await act(probe, socket), (await probe.get("/sim/state"))[1]

    return asyncio.run(main())


def truth(journal):
    """The rows of the last session by (symbol, tape), and the market instant of its end."""
    rows, end = {}, None
    for line in journal.read_text().splitlines():
        entry = json.loads(line)
        if entry["t"] == "start":
            rows = {}
        elif entry["t"] == "row":
            rows.setdefault((entry["symbol"], entry["tape"]), []).append(entry["row"])
        elif entry["t"] == "end":
            end = entry["market_ms"]
    return rows, end


async def play_on(probe, market_ms):
    begin = (await probe.get("/sim/state"))[1]["market_ms"]
    while (await probe.get("/sim/state"))[1]["market_ms"] < begin + market_ms:
        pass


async def symbols(probe, prefix="/fapi/v1"):
    return {row["symbol"]: row["status"] for row in (await probe.get(f"{prefix}/exchangeInfo"))[1]["symbols"]}


def test_a_listed_symbol_is_unknown_before_and_whole_from_its_first_trade(running, probing, tmp_path):
    journal = tmp_path / "journal.jsonl"
    stream = f"{NEW.lower()}@aggTrade"

    async def act(probe, socket):
        before = await symbols(probe)
        unknown = await probe.get(f"/fapi/v1/klines?symbol={NEW}&interval=1m")
        params = [stream, f"{NEW.lower()}@kline_1m"]
        await socket.send_json({"method": "SUBSCRIBE", "params": params, "id": 1})
        await probe.post("/sim/fault", {"kind": "listing"})
        seen = []
        while len(seen) < 40:
            told = json.loads((await socket.receive()).data)
            if told.get("stream") == stream:
                seen.append(told["data"]["a"])
        await play_on(probe, 2 * MINUTE)
        after = await symbols(probe)
        page = (await probe.get(f"/fapi/v1/aggTrades?symbol={NEW}&limit=20&fromId=0"))[1]
        bars = (await probe.get(f"/fapi/v1/klines?symbol={NEW}&interval=1m"))[1]
        await probe.post("/sim/finish")
        return before, unknown, seen, after, page, bars

    (before, unknown, seen, after, page, bars), state = changed(running, probing, act, journal=journal)
    assert NEW not in before
    assert unknown[0] == 400
    assert unknown[1]["code"] == -1121
    assert after[NEW] == "TRADING"
    assert seen == list(range(seen[0], seen[0] + 40))
    assert [row["a"] for row in page] == list(range(seen[0], seen[0] + 20))  # nothing traded before
    assert bars[0][8] > 0
    assert bars[0][0] == page[0]["T"] // MINUTE * MINUTE
    rows, _ = truth(journal)
    held = rows[NEW, "agg"]
    assert [row[0] for row in held] == list(range(seen[0], seen[0] + len(held)))
    first = rows[NEW, "kline_1m"][0]
    minute = [row for row in held if row[5] < first[0] + MINUTE]
    assert float(first[5]) == pytest.approx(sum(float(row[2]) for row in minute), rel=0.05)
    assert state["faults"]["listing"] == 1


@pytest.mark.parametrize(
    ("venue", "prefix", "status"), [("binance", "/fapi/v1", "SETTLING"), ("binance-spot", "/api/v3", "BREAK")]
)
def test_a_delisted_symbol_trades_no_more_and_keeps_its_history(running, probing, tmp_path, venue, prefix, status):
    journal = tmp_path / "journal.jsonl"

    async def act(probe, socket):
        await socket.send_json({"method": "SUBSCRIBE", "params": ["btcusdt@kline_1m"], "id": 1})
        await play_on(probe, 30_000)
        began = (await probe.get("/sim/state"))[1]["market_ms"]
        await probe.post("/sim/fault", {"kind": "delisting", "symbol": "BTCUSDT"})
        await play_on(probe, 4 * MINUTE)
        told = await symbols(probe, prefix)
        newest = (await probe.get(f"{prefix}/aggTrades?symbol=BTCUSDT&limit=5"))[1]
        bars = (await probe.get(f"{prefix}/klines?symbol=BTCUSDT&interval=1m&limit=3"))[1]
        all_tickers = (await probe.get(f"{prefix}/ticker/24hr"))[1]
        await probe.post("/sim/finish")
        frames = []
        with contextlib.suppress(TimeoutError):
            while True:
                frames.append(json.loads((await socket.receive(timeout=0.5)).data).get("data", {"e": "answer"}))
        return began, told, newest, bars, {row["symbol"] for row in all_tickers}, frames

    (began, told, newest, bars, tickers, frames), _ = changed(running, probing, act, venue=venue, journal=journal)
    assert told == {"BTCUSDT": status, "ETHUSDT": "TRADING", "SOLUSDT": "TRADING"}
    rows, end = truth(journal)
    change = next(json.loads(line) for line in journal.read_text().splitlines() if '"change"' in line)
    assert began <= change["at"] < end - 3 * MINUTE
    last = rows["BTCUSDT", "agg"][-1]
    assert last[5] <= change["at"]
    assert newest[-1]["a"] == last[0] == max(frame["a"] for frame in frames if frame["e"] == "aggTrade")
    minute = change["at"] // MINUTE * MINUTE
    assert bars[-1][0] == rows["BTCUSDT", "kline_1m"][-1][0] == minute
    assert [frame["k"]["t"] for frame in frames if frame["e"] == "kline" and frame["k"]["x"]][-1] == minute
    assert "BTCUSDT" not in tickers
    assert sum(row[4] - row[3] + 1 for row in rows["BTCUSDT", "agg"] if row[5] >= minute) >= bars[-1][8]


def test_a_symbol_that_is_gone_answers_as_if_it_never_was(running, probing):
    async def act(probe, socket):
        await probe.post("/sim/fault", {"kind": "delisting", "symbol": "ETHUSDT", "late": True, "seconds": 0.5})
        await play_on(probe, 60_000)
        return await symbols(probe), await probe.get("/fapi/v1/aggTrades?symbol=ETHUSDT")

    (told, (status, body, _)), _ = changed(running, probing, act)
    assert "ETHUSDT" not in told
    assert (status, body["code"]) == (400, -1121)


def test_a_resumed_world_remembers_what_was_listed_delisted_and_forgotten(tmp_path):
    journal, world = tmp_path / "journal.jsonl", tmp_path / "world.json"
    script = tmp_path / "script.toml"
    script.write_text(
        '[[fault]]\nkind = "listing"\nat = 0\n[[fault]]\nkind = "delisting"\nat = 0\nsymbol = "ETHUSDT"\n'
    )
    options = SimOptions(instruments=2, journal=journal, world=world, faults=str(script), speed=SPEED)
    first = build(options)
    first.hub.clock.play()
    first.hub.faults.active = True
    first.hub.faults.inject(Entry("forget", symbol="BTCUSDT", first=5, last=9))
    first.hub.tick()
    first.close()
    again = build(options)
    again.hub.faults.advance(1.0)
    again.hub.changes.due(again.hub.now)
    for service in (first, again):
        market = service.hub.market.symbols
        assert list(market) == ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
        assert market["ETHUSDT"].ended_ms is not None
        assert market["BTCUSDT"].forgotten_aggs == [(5, 9)]
    listed = [service.hub.market.symbols["SOLUSDT"].aggs for service in (first, again)]
    assert listed[0].start == listed[1].start
    again.close()


def test_a_limit_that_shrinks_is_not_announced_and_is_enforced(running, probing):
    async def act(probe, socket):
        await probe.post("/sim/fault", {"kind": "limit_change", "factor": 0.01, "lasts": 0})
        await play_on(probe, 3_000)
        info = (await probe.get("/fapi/v1/exchangeInfo"))[1]
        statuses = [(await probe.get(PAGE))[0] for _ in range(2)]
        await probe.post("/sim/finish")
        return info["rateLimits"][0]["limit"], statuses, (await probe.get(PAGE))[0]

    (announced, statuses, later), state = changed(running, probing, act)
    assert announced == 2400
    assert statuses == [200, 429]
    assert later != 200  # for good, also when play has ended
    assert state["faults"]["limit_change"] == 1


def asked(running, probing, entry, **options):
    """Asks for a page of history twice while a fault is due, and once more."""

    async def act(probe, socket):
        newest = (await probe.get(PAGE))[1][-1]["a"]
        begin = newest - 2_000
        first = (await probe.get(f"{PAGE}&fromId={begin - 200}"))[1]
        await probe.post("/sim/fault", entry)
        pages = [(await probe.get(f"{PAGE}&fromId={begin}"))[1] for _ in range(2)]
        return begin, first, pages

    return changed(running, probing, act, **options)


@pytest.mark.parametrize("mode", ["outside", "repeat", "other"])
def test_a_wrong_page_holds_nothing_that_was_asked_for(running, probing, mode):
    (begin, first, (wrong, right)), state = asked(running, probing, {"kind": "wrong_page", "mode": mode})
    wanted = set(range(begin, begin + 200))
    assert {row["a"] for row in right} == wanted
    assert wrong
    assert wanted.isdisjoint(row["a"] for row in wrong)
    assert (wrong == first) == (mode == "repeat")
    assert state["faults"] == {"wrong_page": 1}


def test_wrong_bars_lie_outside_and_count_says_how_many_pages_are_wrong(running, probing):
    async def act(probe, socket):
        now = (await probe.get("/sim/state"))[1]["market_ms"] // MINUTE * MINUTE
        path = f"/fapi/v1/klines?symbol=BTCUSDT&interval=1m&startTime={now - 20 * MINUTE}&endTime={now - 10 * MINUTE}"
        await probe.post("/sim/fault", {"kind": "wrong_page", "mode": "bars", "count": 2})
        return now, [[row[0] for row in (await probe.get(path))[1]] for _ in range(3)]

    (now, pages), state = changed(running, probing, act)
    right = list(range(now - 20 * MINUTE, now - 9 * MINUTE, MINUTE))
    assert pages[2] == right
    assert all(page and set(page).isdisjoint(right) for page in pages[:2])
    assert state["faults"] == {"wrong_page": 2}


def test_forgotten_ids_are_in_no_page_while_those_around_them_are(running, probing):
    async def act(probe, socket):
        newest = (await probe.get(PAGE))[1][-1]["a"]
        lost = {"kind": "forget", "symbol": "BTCUSDT", "first": newest - 150, "last": newest - 120}
        await probe.post("/sim/fault", lost)
        await play_on(probe, 3_000)
        page = (await probe.get(f"{PAGE}&fromId={newest - 160}"))[1]
        return (
            newest,
            [row["a"] for row in page],
            await probe.get("/data/futures/um/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2026-01-05.zip"),
        )

    (newest, ids, archive), _ = changed(running, probing, act)
    assert ids[:40] == [*range(newest - 160, newest - 150), *range(newest - 119, newest - 89)]
    assert archive[0] == 404


@pytest.mark.parametrize("venue", ["binance", "binance-spot"])
def test_a_short_memory_is_told_by_each_venues_own_rule(running, probing, venue):
    prefix = "/fapi/v1" if venue == "binance" else "/api/v3"

    async def act(probe, socket):
        page = f"{prefix}/aggTrades?symbol=BTCUSDT&limit=200"
        newest = (await probe.get(page))[1][-1]["a"]
        await probe.post("/sim/fault", {"kind": "forget", "seconds": 1.0})
        await play_on(probe, 3_000)
        old, fresh = await probe.get(f"{page}&fromId={newest - 50_000}"), await probe.get(page)
        return newest, old, fresh, (await probe.get("/sim/state"))[1]["market_ms"]

    (newest, old, fresh, now), _ = changed(running, probing, act, venue=venue)
    assert fresh[0] == 200
    if venue == "binance":
        assert (old[0], old[1]["code"]) == (400, -4166)
    else:
        assert old[1][0]["a"] > newest - 50_000
        assert old[1][0]["T"] > now - 70_000


def test_a_slow_source_takes_longer_and_the_others_do_not(running, probing):
    async def act(probe, socket):
        await probe.post("/sim/fault", {"kind": "slow_source", "path": "aggTrades", "seconds": 0.4, "lasts": 30})
        answered = []

        async def ask(path):
            await probe.get(path)
            answered.append(path)

        slow, quick = PAGE, "/fapi/v1/klines?symbol=BTCUSDT&interval=1m"
        await asyncio.gather(ask(slow), ask(quick), ask(quick))
        return answered == [quick, quick, slow]

    in_order, state = changed(running, probing, act)
    assert in_order
    assert state["faults"] == {"slow_source": 1}


def test_a_refused_subscription_is_an_error_and_subscribes_nothing(running, probing):
    async def act(probe, socket):
        await probe.post("/sim/fault", {"kind": "refuse_stream", "stream": "aggTrade", "count": 2})
        async with probe.socket("/market/stream") as other:
            replies = []
            for number in range(3):
                await other.send_json({"method": "SUBSCRIBE", "params": [AGG], "id": number})
                replies.append(json.loads((await other.receive()).data))
            await other.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 9})
            return replies, (await probe.get("/sim/state"))[1]["faults"]

    (replies, faults), _ = changed(running, probing, act)
    assert ["error" in reply for reply in replies] == [True, True, False]
    assert AGG in replies[0]["error"]["msg"]
    assert faults == {"refuse_stream": 2}


def test_a_muted_stream_speaks_only_on_another_connection(running, probing):
    async def heard(socket, stream):
        try:
            while True:
                told = json.loads((await socket.receive(timeout=0.4)).data)
                if told.get("stream") == stream:
                    return True
        except TimeoutError:
            return False

    async def act(probe, socket):
        await probe.post("/sim/fault", {"kind": "mute"})
        while "mute" not in (await probe.get("/sim/state"))[1]["faults"]:
            await socket.receive(timeout=0.1)
        for number, method in enumerate(("UNSUBSCRIBE", "SUBSCRIBE")):
            await socket.send_json({"method": method, "params": [AGG], "id": number})
        await heard(socket, "none")
        same = await heard(socket, AGG)
        async with probe.socket(f"/market/stream?streams={AGG}") as other:
            return same, await heard(other, AGG)

    (same, another), _ = changed(running, probing, act, instruments=1)
    assert (same, another) == (False, True)


def test_a_client_that_does_not_read_is_cut_and_its_backlog_thrown_away(running, probing, tmp_path):
    script = tmp_path / "limits.toml"
    script.write_text("[limits]\nbuffer_bytes = 50000\n")

    async def act(probe, socket):
        raw = sockets.socket()
        raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", int(probe.url.rpartition(":")[2])))
        ask = f"GET /market/stream?streams={AGG} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        raw.send(f"{ask}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
        state = {}
        while not state.get("slow_consumers"):
            await socket.receive()
            state = (await probe.get("/sim/state"))[1]
        raw.close()
        return state

    state, _ = changed(running, probing, act, instruments=1, faults=str(script), at_ms=None)
    assert state["connections"] == 1
    assert state["slow_consumers"] == 1
