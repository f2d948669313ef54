"""Every kind of fault really happens, is counted, spares young streams, and ends with the play."""

import asyncio
import json
import re
import time
from collections import Counter
from email.utils import parsedate_to_datetime

import aiohttp
import pytest

from gapless.sim.binance.presets import STORM
from gapless.sim.connection import Connection
from gapless.sim.errors import SimError
from gapless.sim.faults.engine import FIRST_EVENTS, Faults
from gapless.sim.faults.script import KINDS, Entry, entry_from, load_script
from gapless.sim.journal import Journal

TEXT = aiohttp.WSMsgType.TEXT
SPEED = 60.0
AGG = "btcusdt@aggTrade"


async def ripen(socket, count=FIRST_EVENTS + 20):
    """Reads so many frames that faults may strike; returns the ids."""
    ids = []
    while len(ids) < count:
        message = await socket.receive()
        assert message.type == TEXT
        ids.append(json.loads(message.data)["data"]["a"])
    return ids


def struck(running, probing, entry, act, **options):
    """Lets `act` see what a fault does to a connection that is old enough."""

    async def main():
        async with running(instruments=1, speed=SPEED, **options) as url, probing(url) as probe:
            async with probe.socket(f"/market/stream?streams={AGG}") as socket, asyncio.timeout(30):
                ids = await ripen(socket)
                await probe.post("/sim/fault", entry)
                result = await act(probe, socket, ids)
            return result, (await probe.get("/sim/state"))[1]

    return asyncio.run(main())


async def until_closed(probe, socket, ids):
    while (message := await socket.receive()).type == TEXT:
        pass
    return message.type, socket.close_code


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ({"kind": "disconnect", "abrupt": False}, 1001),
        ({"kind": "disconnect", "abrupt": True}, 1006),
        ({"kind": "reset"}, 1006),
        ({"kind": "close_24h"}, 1001),
    ],
)
def test_connections_end_in_every_way(running, probing, entry, code):
    (_, got), state = struck(running, probing, entry, until_closed)
    assert got == code
    assert state["faults"] == {entry["kind"]: 1}


def test_a_server_tells_before_it_shuts_down(running, probing):
    async def act(probe, socket, ids):
        told = False
        while (message := await socket.receive()).type == TEXT:
            told |= "serverShutdown" in message.data
        return told, socket.close_code

    (told, code), _ = struck(running, probing, {"kind": "server_shutdown", "seconds": 0.2}, act)
    assert told
    assert code == 1001


async def later_ids(probe, socket, ids, count=400):
    texts = []
    while len(texts) < count:
        message = await socket.receive()
        assert message.type == TEXT
        texts.append(message.data)
    return ids, texts


def sequence(texts):
    return [json.loads(text)["data"]["a"] for text in texts]


def test_dropped_frames_leave_a_hole_in_the_ids(running, probing):
    (ids, texts), state = struck(running, probing, {"kind": "drop", "count": 3}, later_ids)
    got = ids + sequence(texts)
    assert got[-1] - got[0] + 1 - len(got) == 3
    assert state["faults"] == {"drop": 3}


def test_a_doubled_burst_sends_the_last_frames_again(running, probing):
    (ids, texts), state = struck(running, probing, {"kind": "double", "count": 7}, later_ids)
    got = ids + sequence(texts)
    assert len(got) - len(set(got)) == 7
    assert state["faults"] == {"double": 7}


def test_reordered_frames_arrive_all_within_fifty_places(running, probing):
    (ids, texts), state = struck(running, probing, {"kind": "reorder", "rate": 0.05}, later_ids)
    got = ids + sequence(texts)
    assert got != sorted(got)
    assert state["faults"]["reorder"] > 0
    order = sorted(set(got[:-60]))
    assert all(abs(got.index(number) - place) <= 60 for place, number in enumerate(order))


def test_a_malformed_frame_is_no_json(running, probing):
    (_, texts), state = struck(running, probing, {"kind": "malformed"}, later_ids)
    broken = []
    for text in texts:
        try:
            json.loads(text)
        except ValueError:
            broken.append(text)
    assert len(broken) == 1
    assert state["faults"] == {"malformed": 1}


def test_a_half_open_socket_says_nothing_more_and_ends_with_the_play(running, probing):
    async def act(probe, socket, ids):
        while True:
            try:
                message = await socket.receive(timeout=0.5)
            except TimeoutError:
                break
            assert message.type == TEXT
        await socket.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 1})
        with pytest.raises(asyncio.TimeoutError):
            await socket.receive(timeout=0.3)
        await probe.post("/sim/finish")
        return (await socket.receive()).type

    kind, state = struck(running, probing, {"kind": "half_open"}, act)
    assert kind in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSE)
    assert state["faults"] == {"half_open": 1}


def test_a_stream_acknowledged_and_silent_speaks_after_it_is_left_and_joined(running, probing):
    async def act(probe, socket, ids):
        await socket.send_json({"method": "SUBSCRIBE", "params": [AGG], "id": 1})
        while '"id":1}' not in (await socket.receive()).data:
            pass
        with pytest.raises(asyncio.TimeoutError):
            await socket.receive(timeout=0.5)
        await socket.send_json({"method": "UNSUBSCRIBE", "params": [AGG], "id": 2})
        await socket.send_json({"method": "SUBSCRIBE", "params": [AGG], "id": 3})
        assert '"id":2}' in (await socket.receive()).data
        assert '"id":3}' in (await socket.receive()).data
        return json.loads((await socket.receive()).data)["stream"]

    stream, state = struck(running, probing, {"kind": "silent", "lasts": 30.0}, act)
    assert stream == AGG
    assert state["faults"] == {"silent": 1}


def test_a_young_stream_is_never_touched(running, probing):
    async def main():
        async with (
            running(instruments=1, speed=1.0) as url,
            probing(url) as probe,
            probe.socket(f"/market/stream?streams={AGG}") as socket,
        ):
            await ripen(socket, 1)
            for kind in ("disconnect", "drop", "malformed", "silent"):
                await probe.post("/sim/fault", {"kind": kind, "lasts": 0.0})
            ids = await ripen(socket, 20)
            return ids, (await probe.get("/sim/state"))[1]["faults"]

    ids, faults = asyncio.run(main())
    assert ids == list(range(ids[0], ids[0] + 20))
    assert faults == {}


def closes(running, probing, entry, enough):
    """Injects a fault of closing candles; returns the closes seen since, the minute then open, and REST's rows."""

    async def main():
        async with running(instruments=1, speed=240.0) as url, probing(url) as probe:
            seen, opened, frames = [], 0, 0
            async with probe.socket(f"/market/stream?streams={AGG}/btcusdt@kline_1m") as socket, asyncio.timeout(40):
                while not opened or not enough(seen):
                    data = json.loads((await socket.receive()).data)["data"]
                    if data["e"] != "kline":
                        continue
                    frames += 1
                    if opened and data["k"]["x"]:
                        seen.append(data["k"]["t"])
                    if frames > FIRST_EVENTS + 5 and not opened and not data["k"]["x"]:
                        opened = data["k"]["t"]
                        await probe.post("/sim/fault", entry)
                state = (await probe.get("/sim/state"))[1]
                _, rows, _ = await probe.get(f"/fapi/v1/klines?symbol=BTCUSDT&interval=1m&startTime={opened}&limit=20")
            return seen, opened, state["faults"], rows

    return asyncio.run(main())


def test_a_missing_close_is_in_rest_all_the_same(running, probing):
    seen, opened, faults, rows = closes(running, probing, {"kind": "missing_close"}, lambda seen: len(seen) >= 6)
    assert faults == {"missing_close": 1}
    missed = set(range(opened, max(seen), 60_000)) - set(seen)
    assert len(missed) == 1
    assert missed < {row[0] for row in rows}


def test_a_late_close_comes_out_of_order_but_comes(running, probing):
    seen, _, faults, _ = closes(
        running, probing, {"kind": "late_close", "seconds": 1.0}, lambda seen: seen != sorted(seen)
    )
    assert faults == {"late_close": 1}
    assert len(seen) == len(set(seen))


def rested(running, probing, entry, paths):
    async def act(probe, socket, ids):
        return [await probe.get(path) for path in paths]

    return struck(running, probing, entry, act)


PAGE = "/fapi/v1/aggTrades?symbol=BTCUSDT&limit=1000"


def test_a_429_names_its_second_and_a_418_its_end(running, probing):
    replies, state = rested(running, probing, {"kind": "http_429"}, [PAGE])
    assert replies[0][0] == 429
    assert replies[0][2]["Retry-After"] == "1"
    replies, state = rested(running, probing, {"kind": "http_418", "ban_seconds": 5}, [PAGE, PAGE])
    assert [status for status, _, _ in replies] == [418, 418]
    assert replies[0][2]["Retry-After"] == "5"
    until = int(re.search(r"banned until (\d{13})", replies[0][1]["msg"])[1])
    served = parsedate_to_datetime(replies[0][2]["Date"]).timestamp() * 1000  # the venue's clock, not ours
    assert 4_000 < until - served < 6_100
    assert state["rest"]["bans"] == 1
    assert state["rest"]["bans_caused"] == 0
    assert state["rest"]["while_banned"] == 0  # the second was on its way
    replies, _ = rested(running, probing, {"kind": "http_418", "retry_after": False}, [PAGE])
    assert "Retry-After" not in replies[0][2]


def test_trouble_lag_and_slowness_strike_one_request_or_for_a_while(running, probing):
    replies, state = rested(running, probing, {"kind": "http_5xx"}, [PAGE, PAGE])
    assert [status for status, _, _ in replies] == [503, 200]
    assert state["faults"] == {"http_5xx": 1}
    replies, state = rested(running, probing, {"kind": "rest_lag", "seconds": 1.0}, [PAGE, "/fapi/v1/time"])
    assert replies[1][1]["serverTime"] - replies[0][1][-1]["T"] > 50_000  # a real second is a market minute here
    assert state["faults"]["rest_lag"] == 1
    began = time.monotonic()
    rested(running, probing, {"kind": "slow_rest", "seconds": 0.4}, [PAGE])
    assert time.monotonic() - began > 0.4
    replies, _ = rested(running, probing, {"kind": "clock_skew", "seconds": 3600}, ["/fapi/v1/time", "/sim/state"])
    assert replies[0][1]["serverTime"] - replies[1][1]["market_ms"] > 3_000_000


def test_a_page_is_split_inside_a_millisecond(running, probing):
    async def act(probe, socket, ids):
        page = (await probe.get(PAGE))[1]
        return page, (await probe.get(f"/fapi/v1/aggTrades?symbol=BTCUSDT&limit=1&fromId={page[-1]['a'] + 1}"))[1]

    (page, following), state = struck(running, probing, {"kind": "page_split"}, act)
    assert state["faults"] == {"page_split": 1}
    assert len(page) < 1000
    assert following[0]["T"] == page[-1]["T"]


def test_the_end_of_play_lifts_every_fault(running, probing):
    async def act(probe, socket, ids):
        assert (await probe.get(PAGE))[0] == 418
        await probe.post("/sim/finish")
        return [(await probe.get(PAGE))[0] for _ in range(3)]

    statuses, state = struck(running, probing, {"kind": "http_418", "ban_seconds": 60}, act)
    assert statuses == [200, 200, 200]
    assert state["ended"]


def test_unused_marks_do_not_pile_up():
    faults = Faults([Entry("http_5xx", at=1.0, every=2.0)], Journal(None), active=True)
    for second in range(60):
        faults.advance(float(second))
    assert faults.take_request() is not None
    assert faults.take_request() is None
    faults.advance(61.1)
    assert faults.take_request() is not None


def test_a_script_says_what_is_wrong_with_it(tmp_path):
    path = tmp_path / "script.toml"
    for text, words in (
        ('[[fault]]\nkind = "explode"\n', "unknown fault kind 'explode'"),
        ('[[fault]]\nkind = "drop"\n', "needs `every`"),
        ('[[fault]]\nkind = "drop"\nrate = "much"\n', "wrong type"),
        ('[[fault]]\nkind = "reset"\nrate = 0.1\n', "not by rate"),
        ("[other]\n", "unknown table"),
        ("=", "cannot be read"),
    ):
        path.write_text(text)
        with pytest.raises(SimError, match=words):
            load_script(str(path), {})
    path.write_text('[[fault]]\nkind = "reset"\nevery = 5\n')
    assert load_script(str(path), {}).entries == [Entry("reset", every=5)]
    assert all(entry_from({"kind": kind}).kind == kind for kind in KINDS)


def test_a_delay_holds_a_connection_and_loses_nothing(running, probing):
    (ids, texts), state = struck(running, probing, {"kind": "delay", "seconds": 0.5}, later_ids)
    got = ids + sequence(texts)
    assert got == list(range(got[0], got[0] + len(got)))
    assert state["faults"] == {"delay": 1}


def test_a_live_stream_falls_silent_when_nobody_subscribes(running, probing):
    async def act(probe, socket, ids):
        while True:
            try:
                await socket.receive(timeout=0.5)
            except TimeoutError:
                return True

    silent, state = struck(running, probing, {"kind": "silent", "lasts": 0.0}, act)
    assert silent
    assert state["faults"] == {"silent": 1}


def test_a_refusal_by_fault_that_is_obeyed_causes_no_ban(running, probing):
    async def act(probe, socket, ids):
        first = await probe.get(PAGE)
        await asyncio.sleep(float(first[2]["Retry-After"]) + 0.1)  # the promise under test is about real seconds
        return first[0], (await probe.get(PAGE))[0]

    statuses, state = struck(running, probing, {"kind": "http_429"}, act)
    assert statuses == (429, 200)
    assert state["rest"]["bans"] == 0
    assert state["rest"]["refused"] == 1


def test_the_storm_does_what_it_promises_in_every_twenty_seconds():
    rates = {entry.kind: entry.rate for entry in STORM if entry.rate}
    assert rates == {"drop": 0.005, "double": 0.005, "reorder": 0.005}
    assert next(entry.places for entry in STORM if entry.kind == "reorder") == 50
    faults = Faults(list(STORM), Journal(None), active=True)
    promised = {"disconnect": 1, "reset": 1, "silent": 1, "malformed": 1, "late_close": 1, "missing_close": 1}
    promised |= {"http_429": 1, "http_418": 1, "http_5xx": 2}
    for period in range(3):
        seen = Counter()
        lagging = 0
        for tick in range(200):
            faults.advance(period * 20 + tick / 10)
            for kind in promised:
                while (entry := faults.take(kind)) is not None:
                    seen[kind] += 1
                    assert kind != "http_418" or entry.ban_seconds >= 5
                    assert kind != "http_429" or entry.retry_after == 1
            lagging += faults.period("rest_lag") is not None
        assert seen == promised
        assert lagging > 100


class Gone:
    """The transport of a client that has left: its descriptor is no more."""

    def get_extra_info(self, name):
        return self

    def setsockopt(self, *option):
        raise ValueError("negative file descriptor")

    def abort(self):
        self.aborted = True


def test_the_reset_of_a_connection_that_is_gone_does_not_end_the_venue():
    connection = Connection(Gone(), combined=False, route="", number=1)
    connection.reset()
    assert connection.closed
    assert connection.transport.aborted
