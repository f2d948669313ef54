"""What Binance refuses and announces by REST, and what its archives are called."""

import json

import msgspec
import pytest
from test_binance import HOSTS, SPOT, USDM

from gapless.errors import Banned, Refused, Throttled, Unavailable
from gapless.model import MS, SECOND
from gapless.venues.spec import Hosts

NOW = 1_751_709_000_000 * MS


BANS = (
    '{"code":-1003,"msg":"Way too many requests; IP(1.2.3.4) banned until 1751709892841. Please use the websocket for '
    'live updates to avoid bans."}',
    '{"code":-1003,"msg":"Way too much request weight used; IP banned until 1751709892841. Please use WebSocket '
    'Streams for live updates to avoid bans."}',
    '{"code":-1003,"msg":"IP banned until 1751709892841."}',
)
MANY = '{"code":-1003,"msg":"Too many requests; current limit is 2400 requests per minute."}'


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind", "wait"),
    [
        (418, {}, BANS[0], Banned, 892_841 * MS),
        (418, {}, BANS[1], Banned, 892_841 * MS),
        (418, {"retry-after": "5"}, "", Banned, 5 * SECOND),
        (418, {"retry-after": "1200"}, BANS[2], Banned, 1_200 * SECOND),
        (418, {}, "{}", Banned, 120 * SECOND),
        (429, {"retry-after": "1"}, MANY, Throttled, SECOND),
        (429, {}, MANY, Throttled, None),
    ],
)
def test_bans_and_throttling_are_told_apart_with_how_long(status, headers, body, kind, wait):
    error = USDM.history.refusal(status, headers, body.encode(), NOW)
    assert (type(error), error.wait) == (kind, wait)


def test_a_ban_that_is_over_by_the_venues_clock_is_never_negative_to_wait_for():
    error = USDM.history.refusal(418, {}, b"banned until 1751708000000", NOW)
    assert isinstance(error, Banned)
    assert error.wait >= 0


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, ""), (502, "<html>"), (503, '{"msg":"Service Unavailable."}'), (504, ""), (408, ""), (202, ""),
        (503, '{"code":-1008,"msg":"Server is currently overloaded"}'),
        (403, "<html><head><title>ERROR: The request could not be satisfied</title> CloudFront"),
    ],
)  # fmt: skip
def test_failures_of_the_venue_are_worth_another_try(status, body):
    assert isinstance(USDM.history.refusal(status, {}, body.encode(), NOW), Unavailable)


@pytest.mark.parametrize(
    ("status", "code", "text"),
    [
        (400, -1121, "Invalid symbol."), (400, -4166, "Search window is restricted to recent 2 days only."),
        (400, -1130, "Data sent for parameter 'limit' is not valid."), (401, -2014, "API-key format invalid."),
        (451, 0, "Service unavailable from a restricted location"),
    ],
)  # fmt: skip
def test_a_refusal_is_final_and_says_why(status, code, text):
    error = USDM.history.refusal(status, {}, json.dumps({"code": code, "msg": text}).encode(), NOW)
    assert isinstance(error, Refused)
    assert (error.status, error.code, error.text) == (status, code, text)


def test_a_refusal_that_is_no_json_is_quoted():
    error = USDM.history.refusal(404, {}, b"<html>not here</html>", NOW)
    assert isinstance(error, Refused)
    assert "<html>not here</html>" in str(error)
    assert USDM.history.refusal(200, {}, b"[]", NOW) is None


@pytest.mark.parametrize(("text", "weight"), [("17", 17), ("", None), ("many", None), ("٣", None)])
def test_the_weight_used_is_read_from_the_header(text, weight):
    assert USDM.history.used_weight({"x-mbx-used-weight-1m": text}) == weight
    assert USDM.history.used_weight({}) is None


def test_the_announced_limit_is_that_of_weight_by_the_minute_and_nonsense_is_none() -> None:
    def info(*limits: tuple[str, str, int, int]) -> bytes:
        names = ("rateLimitType", "interval", "intervalNum", "limit")
        rows = [dict(zip(names, limit, strict=True)) for limit in limits]
        return msgspec.json.encode({"timezone": "UTC", "rateLimits": rows, "symbols": []})

    orders = ("ORDERS", "MINUTE", 1, 1_200)
    assert USDM.history.weight_limit(info(orders, ("REQUEST_WEIGHT", "MINUTE", 1, 2_400))) == 2_400
    assert USDM.history.weight_limit(info(("REQUEST_WEIGHT", "MINUTE", 5, 6_000))) == 1_200
    assert USDM.history.weight_limit(info(orders, ("REQUEST_WEIGHT", "HOUR", 1, 9))) is None
    assert (
        USDM.history.weight_limit(info(("REQUEST_WEIGHT", "MINUTE", 1, 0), ("REQUEST_WEIGHT", "MINUTE", 0, 5))) is None
    )
    assert USDM.history.weight_limit(b'{"symbols":[]}') is None


@pytest.mark.parametrize(
    ("name", "held"),
    [
        ("BTCUSDT-aggTrades-2026-02-01.zip", ("BTCUSDT", "agg")),
        ("1000PEPEUSDT-trades-2026-02.csv.gz", ("1000PEPEUSDT", "trade")),
        ("BTCUSDT_260327-1m-2026-02.csv.zst", ("BTCUSDT_260327", "bars")),
        ("BTCUSDT-1m-2024-08-08T2340_2024-08-09T0010.csv", ("BTCUSDT", "bars")),
        ("BTCUSDT-5m-2026-02.zip", None),
        ("btcusdt-1m-2026-02.zip", None),
    ],
)
def test_the_name_of_an_archive_says_what_it_holds(name, held):
    found = USDM.archives.named(name)
    assert (found and (found.symbol, found.kind)) == held


def test_the_archive_of_a_day_has_one_address():
    day = 1_770_000_000 // 86_400 * 86_400 * SECOND
    assert USDM.archives.url(HOSTS, "BTCUSDT", "agg", day) == (
        "https://files/data/futures/um/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2026-02-02.zip"
    )
    assert SPOT.archives.url(HOSTS, "BTCUSDT", "bars", day) == (
        "https://files/data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2026-02-02.zip"
    )
    assert USDM.archives.url(Hosts("r", "w", None), "BTCUSDT", "agg", day) is None


ROW = (
    '{"symbol":"%s","priceChange":"-94.99","priceChangePercent":"%s","weightedAvgPrice":"0.29","lastPrice":"4.000002",'
    '"lastQty":"200.0","openPrice":"99.0","highPrice":"100.0","lowPrice":"0.1","volume":"8913.3","quoteVolume":"15.3",'
    '"openTime":1499783499040,"closeTime":1499869899040,"firstId":%d,"lastId":%d,"count":%d}'
)


def test_all_tickers_come_in_one_request_that_costs_what_the_venue_counts():
    assert [v.history.tickers_requests(HOSTS)[0].weight for v in (USDM, SPOT)] == [40, 80]
    assert USDM.history.tickers_requests(HOSTS)[0].url == f"{HOSTS.rest}/fapi/v1/ticker/24hr"
    body = f"[{ROW % ('BTCUSDT', '-95.960', 28_385, 28_460, 76)},{ROW % ('NEWUSDT', '0.000', -1, -1, 0)}]".encode()
    traded, quiet = USDM.history.tickers(body)
    assert (traded.instrument, traded.change_percent, traded.quote_volume) == ("binance:BTCUSDT", "-95.960", "15.3")
    assert (traded.trades, traded.first_id, traded.last_id, traded.time) == (76, 28_385, 28_460, 1_499_869_899_040 * MS)
    assert (quiet.trades, quiet.last_id) == (0, -1)
