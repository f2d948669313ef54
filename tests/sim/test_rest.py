"""REST as the venue answers it: weights, windows, refusals."""

import asyncio
import json

import pytest

from gapless.sim.limits import FIRST_BAN_S, Limiter

KEY = {"X-MBX-APIKEY": "sim-key"}
START = 1767787200000


def asked(running, probing, paths, headers=None, **options):
    """Asks paths one after the other and returns (status, body, weight used)."""

    async def main():
        async with running(**options) as url, probing(url) as probe:
            out = []
            for path in paths:
                status, body, got = await probe.get(path, **(headers or {}))
                out.append((status, body, int(got.get("x-mbx-used-weight-1m", 0))))
            return out

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("path", "weight"),
    [
        ("ping", 1),
        ("time", 1),
        ("exchangeInfo", 1),
        ("klines?symbol=BTCUSDT&interval=1m&limit=100", 1),
        ("klines?symbol=BTCUSDT&interval=1m&limit=101", 2),
        ("klines?symbol=BTCUSDT&interval=1m&limit=500", 2),
        ("klines?symbol=BTCUSDT&interval=1m&limit=1000", 5),
        ("klines?symbol=BTCUSDT&interval=1m&limit=1001", 10),
        ("klines?symbol=BTCUSDT&interval=1m", 5),
        ("aggTrades?symbol=BTCUSDT&limit=1", 20),
        ("aggTrades?symbol=NOSUCH", 20),
        ("trades?symbol=BTCUSDT", 5),
        ("historicalTrades?symbol=BTCUSDT", 20),
        ("ticker/24hr?symbol=BTCUSDT", 1),
        ("ticker/24hr", 40),
        ("ticker/bookTicker?symbol=BTCUSDT", 2),
        ("ticker/bookTicker", 5),
        ("depth?symbol=BTCUSDT", 1),
        ("depth?symbol=BTCUSDT&limit=50", 2),
        ("depth?symbol=BTCUSDT&limit=100", 5),
        ("depth?symbol=BTCUSDT&limit=500", 10),
        ("depth?symbol=BTCUSDT&limit=1000", 20),
    ],
)
def test_weight_is_charged_as_measured_at_the_venue(running, probing, path, weight):
    assert asked(running, probing, [f"/fapi/v1/{path}"], KEY, instruments=1)[0][2] == weight


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("klines?interval=1m", 400, -1102),
        ("klines?symbol=BTCUSDT", 400, -1102),
        ("klines?symbol=BTCUSDT&interval=1s", 400, -1120),
        ("klines?symbol=BTCUSDT&interval=1m&limit=1501", 400, -1130),
        ("klines?symbol=BTCUSDT&interval=1m&startTime=2&endTime=1", 400, -1023),
        ("klines?symbol=NOSUCH&interval=1m", 400, -1121),
        ("klines?symbol=BTCUSDT&interval=1m&startTime=x", 400, -1100),
        ("aggTrades?symbol=BTCUSDT&limit=1001", 400, -1130),
        (f"aggTrades?symbol=BTCUSDT&startTime={START - 49 * 3_600_000}", 400, -4166),
        ("aggTrades?symbol=BTCUSDT&fromId=1", 400, -4166),
        ("depth?symbol=BTCUSDT&limit=7", 400, -4021),
        ("historicalTrades?symbol=BTCUSDT&limit=501", 401, -2014),
        ("nothing", 404, None),
    ],
)
def test_what_the_venue_refuses_is_refused_in_its_words(running, probing, path, status, code):
    got = asked(running, probing, [f"/fapi/v1/{path}"], instruments=1)[0]
    assert got[0] == status
    assert code is None or got[1]["code"] == code


def test_historical_trades_of_futures_want_the_right_key(running, probing):
    path = ["/fapi/v1/historicalTrades?symbol=BTCUSDT&limit=5"]
    assert asked(running, probing, path, {"X-MBX-APIKEY": "other"}, instruments=1)[0][1]["code"] == -2015
    assert len(asked(running, probing, path, KEY, instruments=1)[0][1]) == 5
    spot = ["/api/v3/historicalTrades?symbol=BTCUSDT&limit=5"]
    assert len(asked(running, probing, spot, venue="binance-spot", instruments=1)[0][1]) == 5


def test_pages_by_id_lose_nothing_and_pages_by_time_start_at_the_window(running, probing):
    async def main():
        async with running(instruments=1) as url, probing(url) as probe:
            _, newest, _ = await probe.get("/fapi/v1/aggTrades?symbol=BTCUSDT&limit=1000")
            start = newest[100]["T"]
            _, window, _ = await probe.get(f"/fapi/v1/aggTrades?symbol=BTCUSDT&startTime={start}&limit=50")
            end = newest[200]["T"]
            _, between, _ = await probe.get(
                f"/fapi/v1/aggTrades?symbol=BTCUSDT&startTime={start}&endTime={end}&limit=1000"
            )
            paged, at = [], newest[0]["a"]
            while at <= newest[-1]["a"]:
                _, page, _ = await probe.get(f"/fapi/v1/aggTrades?symbol=btcusdt&fromId={at}&limit=137")
                paged += page
                at = page[-1]["a"] + 1
            return newest, start, end, window, between, paged

    newest, start, end, window, between, paged = asyncio.run(main())
    assert len(newest) == 1000
    assert paged == newest
    assert window[0]["T"] >= start
    assert window == [row for row in newest if row["T"] >= start][:50]
    assert between == [row for row in newest if start <= row["T"] <= end]


def test_a_day_ticker_counts_what_the_ids_say(running, probing):
    rows = asked(running, probing, ["/fapi/v1/ticker/24hr?symbol=BTCUSDT", "/fapi/v1/ticker/24hr"], instruments=2)
    one, everything = rows[0][1], rows[1][1]
    assert everything[0] == one
    burned = one["lastId"] - one["firstId"] + 1 - one["count"]
    assert 0 < burned < 0.05 * one["count"]
    assert 86_340_000 <= one["closeTime"] - one["openTime"] <= 86_400_000


def test_spot_gives_microseconds_when_asked(running, probing):
    path = ["/api/v3/klines?symbol=BTCUSDT&interval=1s&limit=2", "/api/v3/aggTrades?symbol=BTCUSDT&limit=1"]
    plain = asked(running, probing, path, venue="binance-spot", instruments=1)
    fine = asked(running, probing, path, {"X-MBX-TIME-UNIT": "MICROSECOND"}, venue="binance-spot", instruments=1)
    assert fine[0][1][0][0] == plain[0][1][0][0] * 1000
    assert fine[0][1][0][6] % 1_000_000 == 999_999
    assert fine[1][1][0]["T"] == plain[1][1][0]["T"] * 1000


def test_over_the_limit_is_429_and_going_on_is_a_ban(running, probing, tmp_path):
    script = tmp_path / "limits.toml"
    script.write_text("[limits]\nweight_limit = 50\n")

    async def main():
        async with running(instruments=1, faults=str(script), journal=tmp_path / "j") as url, probing(url) as probe:
            out = [await probe.get("/fapi/v1/aggTrades?symbol=BTCUSDT&limit=1") for _ in range(8)]
            return out, (await probe.get("/sim/state"))[1]

    out, state = asyncio.run(main())
    statuses = [status for status, _, _ in out]
    assert statuses[:3] == [200, 200, 429]
    assert statuses[-1] == 418  # three times the limit
    assert out[2][1]["code"] == -1003
    assert "banned until" in out[-1][1]["msg"]
    assert state["rest"]["bans_caused"] == 1
    assert state["max_weight_minute"] >= 150
    bans = [json.loads(line) for line in (tmp_path / "j").read_text().splitlines() if '"ban"' in line]
    assert bans == [{"t": "ban", "caused": True, "seconds": FIRST_BAN_S}]


def test_a_window_is_a_clock_minute():
    limiter = Limiter(2400)
    assert limiter.enter("ip", 2400, 59.9) == "ok"
    assert limiter.enter("ip", 2400, 60.1) == "ok"
    assert limiter.used("ip", 60.2) == 2400


def test_what_was_on_its_way_is_forgiven_and_what_goes_on_is_not():
    limiter = Limiter(10)
    assert limiter.enter("ip", 11, 5.0) == "429"
    limiter.delivered("ip", 429, 5.0, None)
    assert limiter.enter("ip", 1, 5.2) == "429"
    limiter.delivered("ip", 429, 5.2, None)
    assert limiter.enter("ip", 1, 5.5) == "418"
    assert limiter.totals.bans_caused == 1
    limiter.delivered("ip", 418, 5.5, None)
    assert limiter.enter("ip", 1, 5.6) == "418"
    assert limiter.totals.while_banned == 0
    assert limiter.enter("ip", 1, 6.0) == "418"
    assert limiter.totals.while_banned == 1
    assert limiter.enter("ip", 1, 5.5 + FIRST_BAN_S + 0.1) == "ok"


def test_who_waits_as_told_is_not_banned_and_the_second_ban_is_longer():
    limiter = Limiter(10)
    limiter.enter("ip", 1, 1.0)
    limiter.delivered("ip", 429, 1.0, 1.0)  # an injected 429 with Retry-After: 1
    assert limiter.enter("ip", 1, 2.1) == "ok"
    assert limiter.totals.bans == 0
    limiter.enter("ip", 30, 3.0)
    assert limiter.addresses["ip"].banned_until == 3.0 + FIRST_BAN_S
    limiter.enter("ip", 30, 200.0)
    assert limiter.addresses["ip"].banned_until == 200.0 + 2 * FIRST_BAN_S
