"""The sockets of the simulated OKX: its words, its chains of ids and numbers, its bars; time is an argument here."""

import itertools
import json
from decimal import Decimal

import pytest

from gapless.sim.bars import DAY, HOUR, MINUTE, interval_next, interval_start
from gapless.sim.market import Depth, Diff
from gapless.sim.okx.names import BARS, parse_name
from gapless.sim.okx.sources import BookSource, TopSource
from gapless.sim.synthetic.market import START_MS

SWAP = "BTC-USDT-SWAP"
CONTRACTS = {"BTC-USDT": None, SWAP: ("0.01", False), "BTC-USD-SWAP": ("100", True), "BTC-USDT-260327": ("0.01", False)}


def subscription(*channels, name=SWAP, operation="subscribe"):
    return {"op": operation, "args": [{"channel": channel, "instId": name} for channel in channels]}


def rows(messages, channel):
    return [row for m in messages if m.get("arg", {}).get("channel") == channel for row in m.get("data", ())]


UNKNOWN = "doesn't exist. Please use the correct URL, channel and parameters referring to API document."


@pytest.mark.parametrize(
    ("route", "message", "replies"),
    [
        ("public", "{", [("60012", "Invalid request: {")]),
        ("public", '{"op":"subscribe","argss":[]}', [("60012", 'Invalid request: {"op":"subscribe","argss":[]}')]),
        ("public", {"op": "order", "args": [{}]}, [("60019", "Invalid op: order")]),
        ("public", {"id": "no-id", **subscription("trades")}, [("60033", "Parameter id error")]),
        ("public", subscription("candle1m"), [("64001", "This channel has been migrated")]),
        ("business", subscription("trades"), [("64002", "This channel is not supported")]),
        ("public", subscription("books-l2-tbt"), [("60011", "Please log in")]),
        ("private", subscription("trades"), [("60011", "Please log in")]),
        ("business", subscription("candle9m"), [("60018", f"Wrong URL or channel:candle9m,instId:{SWAP} {UNKNOWN}")]),
        (
            "public",
            subscription("trades", name="X-Y"),
            [("60018", f"Wrong URL or channel:trades,instId:X-Y {UNKNOWN}")],
        ),
        (
            "public",
            {"op": "subscribe", "args": [{"channel": "trades"}]},
            [("60027", "Parameter instId can not be empty")],
        ),
    ],
)
def test_what_cannot_be_subscribed_is_refused_in_the_venues_words(desk, route, message, replies):
    line = desk(venue="okx", instruments=2).connect(route)
    line.say(message)
    told = line.told()
    assert [(m["event"], m["code"]) for m in told] == [("error", code) for code, _ in replies]
    assert all(m["msg"].startswith(words) for m, (_, words) in zip(told, replies, strict=True))


def test_every_argument_is_answered_by_itself_with_the_id(desk):
    line = desk(venue="okx", instruments=2).connect("public")
    line.say({"id": "a1", **subscription("tickers", "nothing", "funding-rate")})
    line.say({"id": "a2", **subscription("tickers", operation="unsubscribe")})
    told = [(m["id"], m["event"], m.get("arg", {}).get("channel")) for m in line.told()]
    assert told == [
        ("a1", "subscribe", "tickers"),
        ("a1", "error", None),
        ("a1", "subscribe", "funding-rate"),
        ("a2", "unsubscribe", "tickers"),
    ]


def test_operations_beyond_the_hours_limit_are_refused_and_the_connection_stays(desk, tmp_path):
    script = tmp_path / "limits.toml"
    script.write_text("[limits]\noperations = 2\n")
    line = desk(venue="okx", instruments=2, faults=str(script)).connect("public")
    for _ in range(3):
        line.say(subscription("tickers"))
    assert [m.get("code") for m in line.told()] == [None, None, "60014"]
    assert line.closed is None


def test_a_connection_that_is_sent_nothing_ends_after_thirty_seconds(desk):
    at = desk(venue="okx", instruments=2)
    line = at.connect("public")
    sockets, opened = at.hub.venue.sockets, line.connection.opened
    sockets.upkeep(at.hub, line.connection, opened + 29.9)
    assert line.closed is None
    line.say("ping")
    assert line.texts == ["pong"]
    sockets.upkeep(at.hub, line.connection, line.connection.written + 30.1)
    assert line.closed == (4004, "No data received in 30s.")


def test_a_message_beyond_64_kb_ends_the_connection(desk):
    line = desk(venue="okx", instruments=2).connect("public")
    line.say(json.dumps(subscription("trades")) + " " * 65_536)
    assert line.closed == (1009, "Request message exceeds the maximum frame length")
    assert line.texts == []


def test_aggregated_trades_stand_for_the_single_ones_without_a_hole(desk):
    at = desk(venue="okx", instruments=2)
    public, business = at.connect("public"), at.connect("business")
    public.say(subscription("trades"))
    business.say(subscription("trades-all"))
    at.play(until=START_MS + 3 * MINUTE)
    single = {int(row["tradeId"]): row for row in rows(business.told(), "trades-all")}
    spans = rows(public.told(), "trades")
    assert len(single) > len(spans) > 100
    assert list(single) == list(range(min(single), max(single) + 1))
    assert all(int(b["tradeId"]) - int(b["count"]) == int(a["tradeId"]) for a, b in itertools.pairwise(spans))
    for row in spans:
        last = int(row["tradeId"])
        parts = [single[number] for number in range(last - int(row["count"]) + 1, last + 1)]
        assert sum(Decimal(part["sz"]) for part in parts) == Decimal(row["sz"])
        assert {(part["px"], part["side"], part["ts"]) for part in parts} == {(row["px"], row["side"], row["ts"])}
    assert [row["seqId"] for row in spans] == sorted(row["seqId"] for row in spans)


def folded(trades, contract):
    """Folds single trades as a candle: [o, h, l, c, vol, volCcy, volCcyQuote], by the meaning of each field."""
    worth, inverse = contract or ("1", False)
    prices = [Decimal(row["px"]) for row in trades]
    sizes = [Decimal(row["sz"]) for row in trades]
    sums = [size * Decimal(worth) for size in sizes]
    other = [value / price if inverse else value * price for value, price in zip(sums, prices, strict=True)]
    base, quote = (sum(other), sum(sums)) if inverse else (sum(sums), sum(other))
    return [prices[0], max(prices), min(prices), prices[-1], sum(sizes), quote if contract is None else base, quote]


@pytest.mark.parametrize("name", CONTRACTS)
def test_closed_candles_are_the_fold_of_the_single_trades(desk, name):
    at = desk(venue="okx", instruments=6)
    line = at.connect("business")
    line.say(subscription("trades-all", "candle1m", name=name))
    at.play(until=START_MS + 4 * MINUTE + 500)
    told = line.told()
    trades, candles = rows(told, "trades-all"), rows(told, "candle1m")
    closed = [row for row in candles if row[8] == "1"]
    assert [int(row[0]) for row in closed] == list(range(START_MS - MINUTE, START_MS + 4 * MINUTE, MINUTE))
    forming = [row for row in candles if row[8] == "0"]
    assert 30 < len(forming) <= 4 * 60
    for row in closed[1:]:
        within = [t for t in trades if int(row[0]) <= int(t["ts"]) < int(row[0]) + MINUTE]
        told, expected = [Decimal(value) for value in row[1:8]], folded(within, CONTRACTS[name])
        if name == "BTC-USD-SWAP":  # told with 8 decimals
            assert abs(told.pop(5) - expected.pop(5)) < Decimal("1e-8")
        assert told == expected


def test_a_minute_without_trades_is_closed_flat(desk):
    at = desk(venue="okx", instruments=40)
    name = list(at.hub.market.symbols)[-1]
    line = at.connect("business")
    line.say(subscription("trades-all", "candle1m", name=name))
    at.play(until=START_MS + 20 * MINUTE)
    told = line.told()
    traded = {int(row["ts"]) // MINUTE * MINUTE for row in rows(told, "trades-all")}
    flat = [
        row for row in rows(told, "candle1m") if row[8] == "1" and int(row[0]) not in traded and int(row[0]) >= START_MS
    ]
    assert flat
    assert all(len(set(row[1:5])) == 1 and row[5:8] == ["0", "0", "0"] for row in flat)


def applied(book, row):
    for side in ("asks", "bids"):
        for price, size, *_ in row[side]:
            book[side].pop(price, None)
            if size != "0":
                book[side][price] = size


def test_a_book_is_a_snapshot_and_its_changes_and_everybody_joins_the_same_chain(desk):
    at = desk(venue="okx", instruments=2)
    first, second = at.connect("public"), at.connect("public")
    first.say(subscription("trades", "books"))
    at.play(until=START_MS + 3_000, step=50)
    second.say(subscription("books"))
    at.play(until=START_MS + 6_000, step=50)
    books = []
    for line in (first, second):
        messages = [m for m in line.told() if m.get("arg", {}).get("channel") == "books" and "data" in m]
        changes = [m["data"][0] for m in messages]
        assert [m["action"] for m in messages] == ["snapshot"] + ["update"] * (len(messages) - 1)
        assert [row["prevSeqId"] for row in changes] == [-1, *(row["seqId"] for row in changes[:-1])]
        assert {row["checksum"] for row in changes} == {0}
        book = {"asks": {}, "bids": {}}
        for row in changes:
            applied(book, row)
        books.append((changes[-1]["seqId"], book))
    assert books[0] == books[1]
    symbol = at.hub.market.symbols[SWAP]
    whole = symbol.book.at(at.market_ms, 400)
    for side, levels in (("asks", whole.asks), ("bids", whole.bids)):
        assert {Decimal(price): Decimal(size) for price, size in books[0][1][side].items()} == {
            Decimal(symbol.price.text(price)): Decimal(symbol.size.text(size)) for price, size in levels
        }


def test_to_leave_a_book_and_join_it_again_begins_it_anew(desk):
    at = desk(venue="okx", instruments=2)
    line = at.connect("public")
    line.say(subscription("trades", "books"))
    at.play(until=START_MS + 1_000, step=100)
    line.told()
    line.say(subscription("books", operation="unsubscribe"))
    at.play(until=START_MS + 2_000, step=100)
    assert rows(line.told(), "books") == []
    line.say(subscription("books"))
    at.play(until=START_MS + 3_000, step=100)
    assert [m["action"] for m in line.told() if "action" in m][:2] == ["snapshot", "update"]


def test_a_maintenance_reset_lowers_the_numbers_and_breaks_no_chain(desk):
    at = desk(venue="okx", instruments=2)
    line = at.connect("public")
    line.say(subscription("trades", "books", "bbo-tbt"))
    at.play(until=START_MS + 2_000, step=100)
    at.hub.changes._renumber([SWAP], at.market_ms + 1)
    at.play(until=START_MS + 4_000, step=100)
    told = line.told()
    changes = rows(told, "books")
    assert [row["prevSeqId"] for row in changes] == [-1, *(row["seqId"] for row in changes[:-1])]
    assert [row["seqId"] < row["prevSeqId"] for row in changes].count(True) == 1
    seqs = {channel: [row["seqId"] for row in rows(told, channel)] for channel in ("books", "bbo-tbt", "trades")}
    assert all(sum(b < a for a, b in itertools.pairwise(numbers)) == 1 for numbers in seqs.values())
    assert max(numbers[-1] for numbers in seqs.values()) < 64 * 21


class Still:
    """A book in which nothing happens but at one instant."""

    def __init__(self, changed):
        self._changed = changed

    def at(self, ms, levels):
        number = 10 + (ms >= self._changed)
        return Depth(number, ms, [(99, number)][:levels], [(101, 5)][:levels])

    def diff(self, after, upto):
        now = self.at(upto, 1)
        bids = now.bids if after < self._changed <= upto else []
        return Diff(0, now.number, self.at(after, 1).number, upto, bids, [])


def test_a_quiet_book_is_still_heard_of_once_a_minute(desk):
    symbol = desk(venue="okx", instruments=1).hub.market.symbols["BTC-USDT"]
    book = Still(changed=90_000)
    for source, chains in (
        (BookSource("books:BTC-USDT", symbol, book), [(10, 10), (11, 10), (11, 11)]),
        (TopSource(parse_name("bbo-tbt:BTC-USDT"), symbol, book), [(10, None), (10, None), (11, None), (11, None)]),
    ):
        events = [event for at in range(0, 151_000, 100) for event in source.due(at, at + 100)]
        told = [json.loads(event.payload)["data"][0] for event in events]
        assert [(row["seqId"], row.get("prevSeqId")) for row in told] == chains
        gaps = [b.push - a.push for a, b in itertools.pairwise(events)]
        assert max(gaps) <= 60_100


def test_bars_from_six_hours_on_begin_with_the_day_of_utc_8():
    at = 1_767_787_200_000  # 2026-01-07 12:00 UTC
    assert interval_start(BARS["1D"], at) == at // DAY * DAY + 16 * HOUR - DAY
    assert interval_start(BARS["1Dutc"], at) == at // DAY * DAY
    assert interval_start(BARS["6H"], at) == at - 2 * HOUR
    assert interval_start(BARS["4H"], at) == at
    january = 1_767_225_600_000
    assert interval_start(BARS["1M"], at) == january - 8 * HOUR
    assert interval_next(BARS["1M"], january - 8 * HOUR) == january + 31 * DAY - 8 * HOUR
    assert interval_next(BARS["3Mutc"], january) == january + 90 * DAY
    for bar in BARS.values():
        start = interval_start(bar, at)
        assert start <= at < interval_next(bar, start)
        assert interval_start(bar, interval_next(bar, start)) == interval_next(bar, start)
        assert interval_start(bar, interval_next(bar, start) - 1) == start


def test_what_begins_or_stops_to_trade_is_told_to_who_asked(desk):
    at = desk(venue="okx", instruments=2)
    line = at.connect("public")
    line.say({"op": "subscribe", "args": [{"channel": "instruments", "instType": "SPOT"}]})
    line.say(subscription("trades"))
    at.play(until=START_MS + 2_000)
    changes = at.hub.changes
    changes._delist("BTC-USDT", at.market_ms, None)
    changes._list("NEW-USDT", at.market_ms)
    at.play(until=START_MS + 5_000)
    told = [m for m in line.told() if "data" in m and m["arg"].get("instType") == "SPOT"]
    assert [(row["instId"], row["state"]) for m in told for row in m["data"]] == [
        ("BTC-USDT", "suspend"),
        ("NEW-USDT", "live"),
    ]
    line.say(subscription("trades", name="NEW-USDT"))
    at.play(until=START_MS + 5 * MINUTE)
    assert {row["instId"] for row in rows(line.told(), "trades")} == {SWAP, "NEW-USDT"}
