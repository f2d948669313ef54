"""WebSocket as the venue speaks it: routes, wrapping, controls, limits, keep-alive."""

import asyncio
import contextlib
import json

import aiohttp
import pytest

TEXT = aiohttp.WSMsgType.TEXT


async def answer(socket, message):
    """Sends a control message and reads up to its reply."""
    await socket.send_str(message if isinstance(message, str) else json.dumps(message))
    while True:
        got = await socket.receive()
        assert got.type == TEXT, got
        body = json.loads(got.data)
        if "result" in body or "code" in body or "error" in body:
            return body


@pytest.mark.parametrize(
    ("path", "delivered"),
    [
        ("/market/stream", {"aggTrade", "kline_1m"}),
        ("/public/stream", {"trade", "bookTicker", "depth@100ms"}),
        ("/stream", {"trade", "bookTicker", "depth@100ms"}),
        ("/private/stream", set()),
    ],
)
def test_a_wrong_route_is_acknowledged_and_silent(running, probing, path, delivered):
    kinds = ("aggTrade", "kline_1m", "trade", "bookTicker", "depth@100ms", "nosuch")

    async def main():
        async with (
            running(instruments=1, speed=30.0) as url,
            probing(url) as probe,
            probe.socket(path) as socket,
            probe.socket("/market/ws/btcusdt@aggTrade") as driver,
        ):
            names = [f"btcusdt@{kind}" for kind in kinds]
            assert await answer(socket, {"method": "SUBSCRIBE", "params": names, "id": 1}) == {
                "result": None,
                "id": 1,
            }
            for _ in range(200):
                assert (await driver.receive()).type == TEXT
            seen = set()
            await socket.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 2})
            while True:
                body = json.loads((await socket.receive()).data)
                if "result" in body:
                    assert body["result"] == names
                    return seen
                seen.add(body["stream"].partition("@")[2])

    assert asyncio.run(main()) == delivered


def test_the_path_decides_the_wrapping_and_a_property_flips_it(running, probing):
    async def main():
        async with running(instruments=1, speed=30.0) as url, probing(url) as probe:
            async with probe.socket("/market/ws/btcusdt@aggTrade/btcusdt@kline_1m") as socket:
                assert "stream" not in json.loads((await socket.receive()).data)
                assert (await answer(socket, {"method": "GET_PROPERTY", "params": ["combined"], "id": 1}))[
                    "result"
                ] is False
                await answer(socket, {"method": "SET_PROPERTY", "params": ["combined", True], "id": 2})
                while "stream" not in (body := json.loads((await socket.receive()).data)):
                    assert "e" in body  # what was queued before the flip
                assert body["data"]["s"] == "BTCUSDT"
            async with probe.socket("/market/stream?streams=btcusdt@aggTrade") as socket:
                assert json.loads((await socket.receive()).data)["stream"] == "btcusdt@aggTrade"
            with pytest.raises(aiohttp.WSServerHandshakeError):
                async with probe.socket("/market/stream?streams=btcusdt@aggTrade,ethusdt@aggTrade"):
                    pass

    asyncio.run(main())


@pytest.mark.parametrize(
    ("message", "reply"),
    [
        ('{"method":"SUBSCRIBE"', {"code": 3}),
        ("[]", {"code": 2}),
        ('{"params":[],"id":1}', {"code": 2, "id": 1}),
        ('{"method":"SUBSCRIBE","params":[],"id":1}', {"error": {"code": 2}, "id": 1}),
        ('{"method":"JUMP","params":[],"id":7}', {"code": 2, "id": 7}),
        ('{"method":"SUBSCRIBE","params":["btcusdt@aggTrade"],"id":"x"}', {"code": 2, "id": "x"}),
        ('{"method":"SET_PROPERTY","params":["combined",1],"id":2}', {"code": 1, "id": 2}),
        ('{"method":"SET_PROPERTY","params":["other",true],"id":2}', {"code": 0, "id": 2}),
        ('{"method":"GET_PROPERTY","params":["combined",1],"id":2}', {"code": 2, "id": 2}),
        ('{"method":"UNSUBSCRIBE","params":["never@trade"],"id":4}', {"result": None, "id": 4}),
    ],
)
def test_control_errors_are_the_venues(running, probing, message, reply):
    async def main():
        async with running(instruments=1) as url, probing(url) as probe, probe.socket("/market/ws") as socket:
            return await answer(socket, message)

    got = asyncio.run(main())
    for key, value in reply.items():
        if key == "error":
            assert got["error"]["code"] == value["code"]
        else:
            assert got[key] == value


def test_too_many_messages_in_a_second_close_the_connection(running, probing):
    async def main():
        async with running(instruments=1) as url, probing(url) as probe, probe.socket("/market/ws") as socket:
            for number in range(11):
                await socket.send_json({"method": "LIST_SUBSCRIPTIONS", "id": number})
            while (message := await socket.receive()).type == TEXT:
                pass
            return message

    message = asyncio.run(main())
    assert (message.data, message.extra) == (1008, "Too many requests")


def test_server_pings_and_a_client_that_does_not_answer_is_dropped(running, probing, tmp_path):
    script = tmp_path / "limits.toml"
    script.write_text("[limits]\nping_s = 0.3\npong_s = 1.0\n")

    async def main():
        async with (
            running(instruments=1, faults=str(script)) as url,
            probing(url) as probe,
            probe.socket("/market/ws") as polite,
            probe.socket("/market/ws") as rude,
        ):
            pings = 0
            with contextlib.suppress(asyncio.TimeoutError):
                async with asyncio.timeout(8):
                    while (message := await rude.receive()).type == aiohttp.WSMsgType.PING:
                        answered = await polite.receive()
                        assert answered.type == aiohttp.WSMsgType.PING
                        await polite.pong(answered.data)
                        pings += 1
            return pings, message.type, polite.closed

    pings, kind, closed = asyncio.run(main())
    assert pings >= 2
    assert kind == aiohttp.WSMsgType.CLOSE
    assert not closed


def test_tickers_of_all_markets_carry_coin_margined_rows(running, probing):
    async def main():
        async with (
            running(instruments=2, speed=20.0) as url,
            probing(url) as probe,
            probe.socket("/market/stream?streams=!ticker@arr/btcusdt@aggTrade") as socket,
        ):
            while True:
                body = json.loads((await socket.receive()).data)
                if body["stream"] == "!ticker@arr":
                    return body["data"]

    rows = asyncio.run(main())
    assert {row["st"] for row in rows} == {1, 2}
    assert any(row["s"].endswith("_PERP") for row in rows)
    assert all("b" not in row for row in rows)
