"""Every documented route answers, in the documented shape; mistakes are one sentence."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from faces_world import ID, START, World, Writer, served

from gapless.errors import BadInput, PortInUse
from gapless.model import MINUTE, iso
from gapless.serve import ServeSettings, create_app

LIST = {"rows", "proof", "revision", "sources", "missing", "elapsed_ms"}


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    """Two minutes and a bit of trades, 100 a second."""
    writer = Writer(tmp_path / "tape.db")
    for _ in range(16):
        writer.trades(1_000)
    return writer


@pytest.fixture
def world(writer: Writer) -> World:
    return World(Path(writer.store.path))


async def fetch(url: str, path: str, method: str = "GET", **named: Any) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as http, http.request(method, url + path, **named) as reply:
        text = await reply.text()
        assert "Traceback" not in text
        return reply.status, json.loads(text) if reply.content_type.endswith(("/json", "+json")) else text


def ask(world: World, *paths: str, **settings: Any) -> list[tuple[int, Any]]:
    async def main() -> list[tuple[int, Any]]:
        async with served(world, **settings) as url:
            return [await fetch(url, path) for path in paths]

    return asyncio.run(main())


LISTS = [
    "/api/v1/instruments",
    f"/api/v1/candles?id={ID}&timeframe=1m",
    f"/api/v1/trades?id={ID}",
    f"/api/v1/footprint?id={ID}&timeframe=1m&last=2&ticks_per_row=1",
    f"/api/v1/profile?id={ID}&session=1m",
    "/api/v1/tickers",
    "/api/v1/quotes?id=btcusdt",
    "/api/v1/gaps",
    "/api/v1/coverage",
    "/api/v1/budgets",
    "/api/v1/connections",
]


def test_every_list_answers_rows_with_proof_revision_sources_missing_and_time(world: World) -> None:
    for path, (status, body) in zip(LISTS, ask(world, *LISTS), strict=True):
        assert status == 200, (path, body)
        assert body.keys() >= LIST, path


def test_every_other_route_answers(world: World) -> None:
    paths = ["/health", "/system/status", "/api/v1/status", f"/api/v1/book?id={ID}&depth=1"]
    paths += [f"/api/v1/explain?id={ID}&timeframe=5m&start={START}", "/schema/openapi.json"]
    answers = ask(world, *paths, "/metrics")
    assert [status for status, _ in answers] == [200] * 7
    documented = answers[5][1]["paths"]
    for path in [*LISTS, *paths[:5], "/metrics", "/api/v1/settle"]:
        assert path.partition("?")[0] in documented
    assert "gapless_http_seconds" in answers[6][1]


@pytest.mark.parametrize(("state", "expected"), [("starting", 503), ("ready", 200), ("degraded", 200), ("dead", 503)])
def test_a_starting_or_dead_service_is_not_healthy(world: World, state: str, expected: int) -> None:
    world.state = state
    assert ask(world, "/health")[0][0] == expected


def test_settle_is_asked_for_with_post_only(world: World) -> None:
    async def main() -> None:
        async with served(world) as url:
            assert (await fetch(url, "/api/v1/settle"))[0] == 405
            assert await fetch(url, "/api/v1/settle", "POST") == (200, {"tapes": 1, "missing": 0})
            strange = {"Origin": "https://elsewhere.example"}
            assert (await fetch(url, "/api/v1/settle", "POST", headers=strange))[0] == 403

    asyncio.run(main())
    assert world.settled == 1


def test_candles_are_what_the_market_answers(world: World) -> None:
    path = f"/api/v1/candles?id={ID}&timeframe="
    [(_, minutes), (_, last), (_, epochs), (_, live)] = ask(
        world, path + "1m", path + "1m&last=1", path + "1m&last=1&epoch=ms", path + "2m&live=true"
    )
    assert [row["start"] for row in minutes["rows"]] == [iso(START), iso(START + MINUTE)]
    assert minutes["rows"][1]["open"] == "50000.00"
    assert minutes["rows"][1]["trades"] == 6_000
    assert last["rows"] == minutes["rows"][1:]
    assert epochs["rows"][0]["start"] == (START + MINUTE) // 1_000_000
    assert [row["state"] for row in live["rows"]] == ["traded", "open"]


def test_a_question_says_what_became_of_what_is_missing(world: World) -> None:
    path = f"/api/v1/candles?id={ID}&timeframe=1m&start=2026-01-07T11:58Z&end=2026-01-07T12:01Z"
    answers = ask(world, path, *(path + more for more in ("&fetch=none", "&fetch=some", "&wait=61", "&wait=nan")))
    refused = {"state": "refused", "reason": "binance is not collected by this run"}
    unasked = {"state": "partial", "reason": "it was not asked to fetch"}
    for (status, body), expected in zip(answers, (refused, unasked), strict=False):
        assert status == 200
        assert body["fetch"] == {"planned": 0, "requests": 0, "weight": 0, "seconds": 0.0, **expected}
    assert [body.get("error") for _, body in answers[2:]] == [
        "fetch: 'some' is not allowed; allowed are missing, none",
        "wait: 61 is not allowed; allowed are 0 to 60 seconds",
        "wait: nan is not allowed; allowed are 0 to 60 seconds",
    ]


def test_footprints_are_of_one_bar_where_nothing_else_is_asked_for(world: World) -> None:
    path = f"/api/v1/footprint?id={ID}&timeframe=1m"
    [(_, body), (_, live)] = ask(world, path, path + "&live=true")
    assert [row["start"] for row in body["rows"]] == [iso(START + MINUTE)]
    assert [row["state"] for row in live["rows"]] == ["traded", "open"]
    assert body["rows"][0]["quality"]["score"] == 10


def test_a_batch_comes_as_one_answer_or_line_by_line(world: World) -> None:
    items = [{"id": name, "timeframe": "1m", "start": iso(START + MINUTE)} for name in (ID, "nosuch")]

    async def main() -> tuple[Any, str, tuple[int, Any]]:
        async with served(world) as url:
            path = "/api/v1/footprints"
            (_, whole) = await fetch(url, path, "POST", json={"items": items})
            accept = {"accept": "application/x-ndjson"}
            (_, lines) = await fetch(url, path, "POST", json={"items": items}, headers=accept)
            return whole, lines, await fetch(url, path, "POST", json={"items": items * 2_501}, headers=accept)

    whole, lines, many = asyncio.run(main())
    told = [json.loads(line) for line in lines.splitlines()]
    assert [row["outcome"] for row in whole["results"]] == ["held", "failed"]
    assert {row["index"]: row["outcome"] for row in told[:-1]} == {0: "held", 1: "failed"}
    assert (told[-1]["requested"], told[-1]["successful"], told[-1]["failed"]) == (2, 1, 1)
    assert many == (400, {"error": "items: 5,002 are not allowed; allowed are 1 to 5,000"})


def test_a_range_before_what_is_held_is_named_missing(world: World) -> None:
    [(_, body)] = ask(world, f"/api/v1/candles?id={ID}&timeframe=1m&start=2026-01-07T11:58Z&end=2026-01-07T12:01Z")
    assert body["missing"] == [["2026-01-07T11:58:00Z", "2026-01-07T12:00:00Z"]]


def test_pages_of_candles_join_without_a_missing_or_doubled_bar(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("gapless.serve.pages.MOST_BARS", 7)
    writer = Writer(tmp_path / "tape.db", step=MINUTE // 2)
    writer.trades(100)

    async def main() -> list[str]:
        starts: list[str] = []
        async with served(World(tmp_path / "tape.db")) as url:
            following: str | None = "2020-01-01"
            while following:
                _, body = await fetch(url, f"/api/v1/candles?id={ID}&timeframe=2m&start={following}")
                assert len(body["rows"]) <= 7
                starts += [row["start"] for row in body["rows"]]
                following = body["next"]
        return starts

    assert asyncio.run(main()) == [iso(START + n * 2 * MINUTE) for n in range(25)]


@pytest.mark.parametrize("begin", ["start=2026-01-07T12:00:10Z", "first=1000"])
def test_pages_of_trades_join_by_id(world: World, begin: str) -> None:
    async def main() -> list[int]:
        seqs: list[int] = []
        async with served(world) as url:
            where: str | None = begin
            while where:
                _, body = await fetch(url, f"/api/v1/trades?id={ID}&{where}&limit=700&end=2026-01-07T12:01:00Z")
                assert len(body["rows"]) <= 700
                assert body["proof"] == ("proven" if body["rows"] else "missing")
                seqs += [row["seq"] for row in body["rows"]]
                where = f"first={body['next']}" if body["next"] else None
        return seqs

    assert asyncio.run(main()) == list(range(1_000, 6_000))


def test_trades_without_a_range_are_the_newest(world: World) -> None:
    [(_, body)] = ask(world, f"/api/v1/trades?id={ID}&limit=3&received=true")
    assert [row["seq"] for row in body["rows"]] == [15_998, 15_999, 16_000]
    assert body["rows"][0]["received"].endswith("Z")


def test_a_hole_at_the_beginning_of_a_page_is_named(writer: Writer, world: World) -> None:
    writer.lose(500)
    writer.trades(100)
    [(_, body), (_, named), (_, covered)] = ask(
        world, f"/api/v1/trades?id={ID}&first=16001", "/api/v1/gaps?state=open", f"/api/v1/coverage?id={ID}"
    )
    assert len(body["rows"]) == 100
    assert body["proof"] == "partial"
    assert len(body["missing"]) == 1
    assert [(row["first"], row["last"], row["state"]) for row in named["rows"]] == [(16_001, 16_500, "open")]
    assert covered["rows"][0]["holes"][0]["first"] == 16_001


MISTAKES = [
    ("/api/v1/candles?id=binance:BTCUSTD&timeframe=1m", 404, "did you mean binance:BTCUSDT?"),
    (f"/api/v1/candles?id={ID}&timeframe=7x", 400, "'7x' is no timeframe; allowed are 1m to 1440m, 1h to 24h, 1d, 1w"),
    (f"/api/v1/candles?id={ID}", 400, "timeframe"),
    (f"/api/v1/candles?id={ID}&timefram=1m", 400, "did you mean timeframe?"),
    (f"/api/v1/candles?id={ID}&timeframe=1m&last=none", 400, "last"),
    (f"/api/v1/candles?id={ID}&timeframe=1m&last=0", 400, "last"),
    (f"/api/v1/candles?id={ID}&timeframe=1m&last=6000", 400, "last: 6000 is not allowed; allowed are 1 to 5000"),
    (f"/api/v1/candles?id={ID}&timeframe=1m&last=5&start=-1h", 400, "last goes alone"),
    (f"/api/v1/candles?id={ID}&timeframe=1m&start=now&end=-1h", 400, "end must be later than start"),
    (f"/api/v1/candles?id={ID}&timeframe=1m&start=noon", 400, "start: 'noon' is no time"),
    (f"/api/v1/trades?id={ID}&start=0001-01-01", 400, "start: '0001-01-01' lies outside 1970 to 2262"),
    (f"/api/v1/trades?id={ID}&start=99999999999999999999999", 400, "lies outside 1970 to 2262"),
    (f"/api/v1/candles?id={ID}&timeframe=1m&basis=ours", 400, "basis: 'ours' is not allowed; allowed are venue, tape"),
    (f"/api/v1/candles?id={ID}&timeframe=1m&grid=x", 400, "grid: 'x' is not allowed"),
    (f"/api/v1/trades?id={ID}&limit=10001", 400, "limit: 10001 is not allowed; allowed are 1 to 10000"),
    (f"/api/v1/trades?id={ID}&epoch=s", 400, "epoch: 's' is not allowed; allowed are ms, us, ns"),
    ("/api/v1/trades?id=ethusdt", 404, "the store holds no trades of binance:ETHUSDT"),
    ("/api/v1/gaps?state=shut", 400, "state: 'shut' is not allowed"),
    ("/api/v1/book?id=ethusdt", 404, "no order book of binance:ETHUSDT"),
    ("/api/v1/book?id=nothing", 404, "no instrument 'nothing'"),
    ("/api/v1/candels", 404, "did you mean /api/v1/candles?"),
]


def test_a_mistake_is_answered_with_one_sentence_that_names_it(world: World) -> None:
    for (path, expected, words), (status, body) in zip(
        MISTAKES, ask(world, *(path for path, _, _ in MISTAKES)), strict=True
    ):
        assert status == expected, (path, body)
        assert body.keys() == {"error"}
        assert words in body["error"], body
        assert "\n" not in body["error"]


def test_a_fault_of_ours_is_answered_without_a_stack_trace(world: World) -> None:
    world.status = lambda: 1 // 0  # type: ignore[method-assign]
    assert ask(world, "/system/status") == [(500, {"error": "gapless failed to answer this; its log says why"})]


def test_nothing_is_answered_without_the_token(world: World) -> None:
    async def main() -> None:
        async with served(world, token="s3cret") as url, aiohttp.ClientSession() as http:
            for path in ("/health", "/api/v1/instruments", "/schema", "/metrics", "/nowhere"):
                status, body = await fetch(url, path)
                assert (status, list(body)) == (401, ["error"])
            for wrong in ("s3cret", "Bearer S3cret", "Bearer ", "Bearer schlüssel"):
                assert (await fetch(url, "/health", headers={"Authorization": wrong}))[0] == 401
            right = {"Authorization": "Bearer s3cret"}
            assert (await fetch(url, "/health", headers=right))[0] == 200
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await http.ws_connect(url + "/api/v1/stream")
            assert refused.value.status == 401
            async with http.ws_connect(url + "/api/v1/stream", headers=right) as socket:
                await socket.send_json({"op": "ping", "id": 1})
                assert await socket.receive_json() == {"id": 1, "ok": True}

    asyncio.run(main())


def test_a_page_of_another_origin_cannot_open_the_stream(world: World) -> None:
    async def main() -> None:
        async with served(world, cors_origins=("https://mine.example",)) as url, aiohttp.ClientSession() as http:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await http.ws_connect(url + "/api/v1/stream", headers={"Origin": "https://elsewhere.example"})
            assert refused.value.status == 403
            for origin in ("https://mine.example", url):
                await (await http.ws_connect(url + "/api/v1/stream", headers={"Origin": origin})).close()

    asyncio.run(main())


def test_strangers_are_not_served_without_a_token(world: World) -> None:
    for listen in ("0.0.0.0:8787", "[::]:8787", "192.168.1.5:80"):
        with pytest.raises(BadInput, match=r"needs serve\.token"):
            create_app(world, ServeSettings(listen=(listen,)))
    for listen in ("8787", "localhost", "localhost:http", ":1", "127.0.0.1:70000"):
        with pytest.raises(BadInput, match="is no address"):
            create_app(world, ServeSettings(listen=(listen,)))


def test_a_port_in_use_is_named(world: World, tmp_path: Path) -> None:
    async def main() -> None:
        async with served(world) as url:
            taken = url.removeprefix("http://")
            with pytest.raises(PortInUse, match=f"{taken} is in use by another program"):
                async with served(World(tmp_path / "tape.db"), listen=taken):
                    pass

    asyncio.run(main())
