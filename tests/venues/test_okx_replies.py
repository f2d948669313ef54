"""What OKX is asked by REST, what its pages vouch for, what it refuses, and that no limit of its is passed."""

import json
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_okx import INVERSE, OKX, SPOT, SWAP

from gapless.budget.host import HostState, granted
from gapless.budget.priority import Priority
from gapless.collect.settings import VenueSettings, ceiling_of
from gapless.errors import UNREADABLE, Refused, Throttled, Unavailable
from gapless.model import DAY, MINUTE, MS, SECOND
from gapless.venues.okx.limits import WEIGHTS
from gapless.venues.spec import Ids

HOSTS = OKX.hosts("live", None)
NOW = 1_790_439_600_000 * MS


def asked(url: str) -> tuple[str, dict[str, str]]:
    path, _, query = url.removeprefix(HOSTS.rest + "/api/v5/").partition("?")
    return path, dict(part.split("=") for part in query.split("&"))


# Refusals


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (429, "50011", Throttled), (200, "50011", Throttled), (429, "", Throttled),
        (429, "50013", Unavailable), (500, "50026", Unavailable), (503, "50001", Unavailable),
        (400, "50004", Unavailable), (410, "50005", Unavailable), (502, "", Unavailable), (403, "", Unavailable),
    ],
)  # fmt: skip
def test_what_is_throttled_and_what_failed_is_told_by_the_code_whatever_the_status(status, code, kind):
    body = json.dumps({"code": code, "msg": "words", "data": []}) if code else "<html>words</html>"
    error = OKX.history.refusal(status, {}, body.encode(), NOW)
    assert type(error) is kind
    if isinstance(error, Throttled):
        assert error.wait == 2 * SECOND


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [(200, "51001", 404), (400, "51000", 400), (400, "50014", 400), (200, "50039", 400), (200, "50047", 410),
     (200, "59999", 200), (404, "404", 404)],
)  # fmt: skip
def test_an_answer_that_is_no_is_never_taken_for_data(status, code, told):
    error = OKX.history.refusal(status, {}, json.dumps({"msg": "no", "code": code, "data": []}).encode(), NOW)
    assert isinstance(error, Refused)
    assert (error.status, error.code, error.text) == (told, int(code), "no")


def test_an_answer_is_none():
    assert OKX.history.refusal(200, {}, b'{"data":[],"msg":"","code":"0"}', NOW) is None
    assert OKX.history.refusal(404, {}, b"<html>not here</html>", NOW).text == "<html>not here</html>"


# Trades


class Venue:
    """The oracle: trades 1 to `last`, paged as the venue documents it, newest first, borders left out."""

    def __init__(self, last: int) -> None:
        self.rows = [
            {
                "instId": "BTC-USDT",
                "side": "buy",
                "sz": "1",
                "source": "0",
                "px": "2",
                "tradeId": str(i),
                "ts": str(i * 10),
            }
            for i in range(last, 0, -1)
        ]

    def answer(self, url: str) -> bytes:
        path, query = asked(url)
        assert path == "market/history-trades"
        key = {"1": "tradeId", "2": "ts"}[query["type"]]
        rows = [row for row in self.rows if int(row[key]) < int(query["after"])][: int(query["limit"])]
        return json.dumps({"code": "0", "msg": "", "data": rows}).encode()


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 400), st.integers(1, 400), st.integers(0, 300))
def test_a_page_holds_the_first_of_the_ids_that_were_asked_for_and_all_that_follow(last, first, more):
    tape = SPOT.scale("trade")
    request = OKX.history.trades_request(HOSTS, tape, Ids(first=first, last=first + more), keyed=False)
    page = OKX.history.trades_page(Venue(last).answer(request.url), tape, None, 0)
    assert (request.by_id, request.backward, request.weight) == (True, True, WEIGHTS["market/history-trades"])
    wanted = range(first, min(first + more, first + OKX.limits.page_trades - 1, last) + 1)
    assert [row.seq for row in page.rows if row.seq >= first] == list(wanted)


def test_a_page_of_another_instrument_is_not_read_as_ours():
    tape = SWAP.scale("trade")
    body = Venue(9).answer(OKX.history.trades_request(HOSTS, tape, Ids(first=1, last=9), keyed=False).url)
    with pytest.raises(UNREADABLE, match="it has trades of BTC-USDT"):
        OKX.history.trades_page(body, tape, None, 0)


def test_the_first_trade_at_a_time_is_the_one_after_the_last_before_it():
    tape = SPOT.scale("trade")
    for time in (200 * MS, 201 * MS, 209 * MS + 1, 210 * MS):
        request = OKX.history.trade_at_request(HOSTS, tape, time)
        found = OKX.history.trade_at(Venue(400).answer(request.url), tape, time)
        assert found == (20 if time == 200 * MS else 21, time)
    with pytest.raises(Refused, match="no trade is known before that time"):
        OKX.history.trade_at(b'{"code":"0","data":[]}', tape, 0)


def test_the_newest_trade_is_told_with_its_time_and_nothing_is_refused():
    path, query = asked(OKX.history.newest_request(HOSTS, "BTC-USDT").url)
    assert (path, query) == ("market/trades", {"instId": "BTC-USDT", "limit": "1"})
    body = json.dumps({"code": "0", "data": Venue(9).rows[:1]}).encode()
    assert OKX.history.newest(body) == (9, 90 * MS)
    with pytest.raises(Refused, match="it has never traded"):
        OKX.history.newest(b'{"code":"0","data":[]}')


# Bars


@pytest.mark.parametrize("age", [0, 1, 1_300, 1_500, 100_000])
@pytest.mark.parametrize("rows", [1, 99, 100, 101, 300])
def test_a_page_of_bars_begins_with_the_first_that_is_asked_for_wherever_it_lies(age, rows):
    start = NOW - NOW % MINUTE - age * MINUTE
    path, query = asked(OKX.history.bars_request(HOSTS, "X", start, start + rows * MINUTE, NOW).url)
    assert path == ("market/candles" if age <= 1_400 else "market/history-candles")
    minutes = range(int(query["before"]) * MS + MS, int(query["after"]) * MS, MINUTE)  # both borders are left out
    assert minutes[0] == start
    assert len(minutes) == min(rows, 100) == int(query["limit"])


def test_where_the_time_is_not_known_bars_are_asked_of_the_address_that_has_all():
    assert asked(OKX.history.bars_request(HOSTS, "X", NOW, NOW + MINUTE, 0).url)[0] == "market/history-candles"


def test_bars_are_ascending_and_those_that_form_are_left_out():
    rows = [[str(120_000 - 60_000 * i), "1", "2", "1", "2", "5", "7", "7", str(int(i > 0))] for i in range(3)]
    bars = OKX.history.bars(json.dumps({"code": "0", "data": rows}).encode(), SWAP.scale("bars"))
    assert [(bar.start // MS, bar.volume, bar.trades) for bar in bars] == [(0, 500, -1), (60_000, 500, -1)]
    assert OKX.limits.closed_bars


def test_what_is_listed_and_what_trades_is_asked_for_by_type_and_time_by_itself():
    types = [asked(r.url) for r in OKX.history.instruments_requests(HOSTS)]
    assert types == [("public/instruments", {"instType": kind}) for kind in ("SPOT", "SWAP", "FUTURES")]
    row = {
        "instType": "SWAP", "instId": "BTC-USD-SWAP", "last": "1", "open24h": "1", "high24h": "1", "low24h": "1",
        "vol24h": "100", "volCcy24h": "0.2", "bidPx": "", "askPx": "2", "ts": "7",
    }  # fmt: skip
    (ticker,) = OKX.history.tickers(json.dumps({"code": "0", "data": [row]}).encode())
    assert (ticker.instrument, ticker.volume, ticker.quote_volume, ticker.bid) == (INVERSE.id, "0.2", "", "")
    assert OKX.history.time(b'{"code":"0","data":[{"ts":"1597026383085"}],"msg":""}') == 1_597_026_383_085 * MS


# The budget

RATES = {
    "public/time": 10, "public/instruments": 20, "market/candles": 40, "market/history-candles": 20,
    "market/trades": 100, "market/history-trades": 20, "market/tickers": 20,
}  # fmt: skip


@pytest.mark.parametrize("path", RATES)
def test_whoever_asks_as_fast_as_he_may_stays_within_the_limit_of_every_address(path):
    """Two minutes from before a minute's border, after a rest: no two seconds hold more than is documented."""
    ceiling, state, now = ceiling_of(VenueSettings(), OKX.limits), HostState(), NOW - NOW % MINUTE + 50 * SECOND
    until, sent, recent, most = now + 2 * MINUTE, 0, deque[int](), 0
    while now < until:
        state, wait = granted(state, WEIGHTS[path], ceiling, now, Priority.LIVE)
        if wait:
            now += wait
            continue
        sent += 1
        recent.append(now)
        while recent[0] < now - 2 * SECOND:
            recent.popleft()
        most = max(most, len(recent))
    assert most <= RATES[path]
    assert sent * WEIGHTS[path] >= 2 * OKX.limits.weight_per_minute * 9 // 10


def test_nothing_older_than_the_venue_keeps_is_asked_for():
    assert OKX.limits.recent_trades_window == 89 * DAY
