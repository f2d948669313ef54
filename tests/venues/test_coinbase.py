"""Every recorded frame of Coinbase becomes the values it carries; garbage is counted and never stops a collector."""

import json
from collections import Counter
from contextlib import suppress
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from gapless.errors import BadNumber
from gapless.model import Side, Tape, Ticker
from gapless.model.book import BookState, DepthDiff, DepthSnapshot
from gapless.model.number import decimal
from gapless.tape.book import Book
from gapless.venues.registry import venue
from gapless.venues.spec import Beat, Control, Stream

EXCHANGE, ADVANCED = venue("coinbase"), venue("coinbase-advanced")
EPOCH_2021 = 1_618_677_817


def tape(price: int, size: int, name: str = "coinbase:X") -> Tape:
    return Tape(instrument=name, kind="trade", price_digits=price, size_digits=size)


def capture(folder: Path) -> list[bytes]:
    """The frames that the Exchange sent on 2021-04-17, without what was sent to it."""
    packed = (folder / "coinbase" / "exchange_ten_products_20210417.ws.zst").read_bytes()
    lines = zstandard.ZstdDecompressor().stream_reader(packed).read().splitlines()
    return [line.partition(b": ")[2] for line in lines if line[:1].isdigit() and b": {" in line]


def nanoseconds(text: str) -> int:
    """The oracle of times: digit by digit."""
    day, clock = text.rstrip("Z").split("T")
    hour, minute, second = clock.split(":")
    whole, _, fraction = second.partition(".")
    year, month, date = map(int, day.split("-"))
    days = 0
    for y in range(1970, year):
        days += 366 if y % 4 == 0 and (y % 100 != 0 or y % 400 == 0) else 365
    lengths = [31, 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28, 31, 30, 31, 30, 31, 31, 30, 31]
    days += sum([*lengths, 30, 31][: month - 1]) + date - 1
    return ((days * 24 + int(hour)) * 60 + int(minute)) * 60 * 10**9 + int(whole) * 10**9 + int(fraction.ljust(9, "0"))


def digits(texts) -> int:
    return max((len(text.partition(".")[2].rstrip("0")) for text in texts), default=0)


def check_trades(read, wire, scale: Tape, side: dict[str, int], number=int) -> None:
    p, s = scale.price_digits, scale.size_digits
    assert [(r.seq, r.time, decimal(r.price, p), decimal(r.size, s), r.side, r.fills, r.first_fill) for r in read] == [
        (n, nanoseconds(w["time"]), Decimal(w["price"]), Decimal(w["size"]), side[w["side"]], 1, n)
        for w in wire
        for n in [number(w["trade_id"])]
    ]


class Levels:
    """The oracle of books: prices to sizes, both as they are written."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[Decimal, Decimal]] = {"bid": {}, "ask": {}}

    def change(self, side: str, price: str, size: str) -> None:
        if Decimal(size):
            self.sides[side][Decimal(price)] = Decimal(size)
        else:
            self.sides[side].pop(Decimal(price), None)

    def check(self, book: Book, scale: Tape) -> None:
        bids, asks = book.top(10**6)
        read = [
            [(decimal(p, scale.price_digits), decimal(s, scale.size_digits)) for p, s in one] for one in (bids, asks)
        ]
        assert read == [
            sorted(self.sides["bid"].items(), reverse=True), sorted(self.sides["ask"].items())
        ]  # fmt: skip


def follow(book: Book, diff: DepthDiff | DepthSnapshot) -> Book:
    """Apply what a stream without numbers brings, as it comes."""
    if isinstance(diff, DepthSnapshot):
        book = Book(keep=0)
        book.snapshot(diff)
        return book
    at = book.last
    book.diff(msgspec.structs.replace(diff, first=at + 1, last=at + 1, previous=at))
    return book


def test_every_frame_of_ten_products_is_read_to_the_values_it_carries(real_data):
    frames = capture(real_data)
    wire = [json.loads(frame) for frame in frames]
    assert Counter(w["type"] for w in wire) == {
        "l2update": 9_719, "ticker": 107, "match": 97, "last_match": 10, "snapshot": 10, "subscriptions": 3,
    }  # fmt: skip
    grouped = EXCHANGE.streams.group(frames)
    assert (grouped.malformed, grouped.notices, grouped.numbers) == ([], [], [])
    assert sum(map(len, grouped.runs.values())) + len(grouped.controls) == len(wire) == 9_946
    products = {one.symbol: one for one in EXCHANGE.history.instruments(listed_2021(real_data))}
    for name, run in grouped.runs.items():
        channel, _, product = name.partition(":")
        scale = products[product].scale("trade")
        mine = [w for w in wire if w.get("product_id") == product]
        if channel == "matches":
            told = [w for w in mine if w["type"] in ("match", "last_match")]
            read = EXCHANGE.streams.trades(run, scale, 7)
            check_trades(read, told, scale, {"buy": -1, "sell": 1})
            assert [row.seq for row in read] == list(range(read[0].seq, read[0].seq + len(read)))  # unbroken
            assert {row.received for row in read} == {7}
        elif channel == "ticker":
            for event, w in zip(run, [w for w in mine if w["type"] == "ticker"], strict=True):
                assert EXCHANGE.streams.ticker(event, "x:Y") == Ticker(
                    "x:Y", nanoseconds(w["time"]), w["price"], w["open_24h"], w["high_24h"], w["low_24h"],
                    w["volume_24h"], "", "", -1, -1, w["trade_id"], w["best_bid"], w["best_ask"],
                )  # fmt: skip
        else:
            assert channel == "level2_batch"
            check_books(run, [w for w in mine if w["type"] in ("snapshot", "l2update")], scale)


def listed_2021(folder: Path) -> bytes:
    return (folder / "coinbase" / "products_20210417").read_bytes().splitlines()[0].partition(b": ")[2]


def check_books(run, wire, scale: Tape) -> None:
    book, levels = Book(keep=0), Levels()
    for event, w in zip(run, wire, strict=True):
        diff = EXCHANGE.streams.depth(event, scale)
        book = follow(book, diff)
        assert diff.time == (nanoseconds(w["time"]) if "time" in w else 0)
        changes = [("buy", *level) for level in w.get("bids", ())] + [("sell", *level) for level in w.get("asks", ())]
        for side, price, size in w.get("changes", changes):
            levels.change("bid" if side == "buy" else "ask", price, size)
    assert book.state is BookState.LIVE
    levels.check(book, scale)


def test_acknowledgements_name_the_streams_whatever_the_venue_calls_them(real_data):
    acks = [control.names for control in EXCHANGE.streams.group(capture(real_data)).controls]
    products = {name.partition(":")[2] for name in acks[0]}
    assert len(products) == 10
    assert [{name.partition(":")[0] for name in ack} for ack in acks] == [
        {"level2"}, {"level2", "ticker"}, {"level2", "ticker", "matches"},
    ]  # fmt: skip
    ack = {"type": "subscriptions", "channels": [
        {"name": "level2_50", "product_ids": ["A-USD"], "account_ids": None},
        {"name": "status", "product_ids": [], "account_ids": None},
        {"name": "heartbeat", "product_ids": ["A-USD", "B-USD"]},
    ]}  # fmt: skip
    assert EXCHANGE.streams.group([json.dumps(ack).encode()]).controls == [
        Control(None, None, ("level2_batch:A-USD", "status", "heartbeat:A-USD", "heartbeat:B-USD"))
    ]
    ack = {"channel": "subscriptions", "timestamp": "", "sequence_num": 3, "events": [
        {"subscriptions": {"level2": ["A-USD"], "market_trades": ["A-USD", "B-USD"], "heartbeats": ["heartbeats"]}}
    ]}  # fmt: skip
    read = ADVANCED.streams.group([json.dumps(ack).encode()])
    assert read.numbers == [3]
    assert read.controls == [
        Control(None, None, ("level2:A-USD", "market_trades:A-USD", "market_trades:B-USD", "heartbeats"))
    ]


def test_an_error_rejects_the_streams_of_the_product_that_it_names_and_no_other():
    text = b'{"type":"error","message":"Failed to subscribe","reason":"YFI-USD is delisted"}'
    (control,) = EXCHANGE.streams.group([text]).controls
    assert control == Control(
        None, "Failed to subscribe: YFI-USD is delisted",
        ("matches:YFI-USD", "heartbeat:YFI-USD", "ticker:YFI-USD", "level2_batch:YFI-USD", "status:YFI-USD"),
    )  # fmt: skip
    nameless = b'{"type":"error","message":"authentication failure"}'
    for one in (EXCHANGE, ADVANCED):
        assert one.streams.group([nameless]).controls == [Control(None, "authentication failure")]


def test_product_lists_of_2021_and_2024_are_read_whole(real_data):
    old = EXCHANGE.history.instruments(listed_2021(real_data))
    wire = json.loads(listed_2021(real_data))
    assert len(old) == len(wire) == 162
    body = (real_data / "coinbase" / "products_20241129.json").read_bytes()
    new, told = EXCHANGE.history.instruments(body), json.loads(body)
    assert len(new) == len(told) == 648
    for read, rows in ((old, wire), (new, told)):
        for one, w in zip(read, rows, strict=True):
            assert (one.id, one.base, one.quote, one.kind) == (
                f"coinbase:{w['id']}", w["base_currency"], w["quote_currency"], "spot"
            )  # fmt: skip
            assert decimal(one.tick, one.price_digits) == Decimal(w["quote_increment"])
            assert Decimal(10) ** -one.size_digits <= Decimal(w["base_increment"])
            state = "delisted" if w["status"] == "delisted" else "trading" if w["status"] == "online" else "halted"
            assert one.status == (state if state != "trading" or not w["trading_disabled"] else "halted")
    assert Counter(one.status for one in new) == {"trading": 416, "delisted": 232}


def test_frames_of_september_2026_are_read_to_the_values_they_carry(real_data):
    lines = [json.loads(line) for line in (real_data / "coinbase" / "frames_20260930.jsonl").read_text().splitlines()]
    frames = {
        feed: [json.dumps(line["frame"]).encode() for line in lines if line["feed"] == feed]
        for feed in ("exchange", "advanced")
    }
    read = EXCHANGE.streams.group(frames["exchange"])
    assert (read.malformed, read.controls) == ([], [])
    btc = EXCHANGE.streams.trades(read.runs["matches:BTC-USD"], tape(2, 8), 0)
    assert [(t.seq, t.time, t.price, t.size, t.side) for t in btc] == [
        (1_100_243_495, 1_790_733_795_234_144_000, 8_342_597, 29_129, Side.BUY),
        (1_100_243_496, 1_790_733_795_359_390_000, 8_342_596, 8, Side.SELL),
    ]
    beats = [
        EXCHANGE.streams.beat(event) for name in ("ETH-USD", "BTC-USD") for event in read.runs[f"heartbeat:{name}"]
    ]
    assert [(one.time, one.last_id) for one in beats] == [
        (1_790_733_795_000_000_000, 846_151_680), (1_790_733_795_000_000_000, 1_100_243_494)
    ]  # fmt: skip
    first, second = (EXCHANGE.streams.depth(event, tape(2, 8)) for event in read.runs["level2_batch:ETH-USD"])
    assert first.bids == [
        (266_479, 28_144_794), (265_811, 28_215_507), (264_476, 28_358_010), (260_468, 28_794_288),
        (266_880, 131_052_382),
    ]  # fmt: skip
    assert (first.asks, first.time) == ([(276_790, 6_144)], 1_790_733_794_833_780_000)
    assert (second.bids, second.asks) == ([(233_765, 4_266_534)], [(267_168, 0)])
    told = ADVANCED.streams.group(frames["advanced"])
    assert (told.malformed, told.numbers) == ([], [247, 249])
    (eth,), (one,) = (
        ADVANCED.streams.trades(told.runs[f"market_trades:{name}"], tape(2, 8), 5) for name in ("ETH-USD", "BTC-USD")
    )
    assert msgspec.structs.astuple(eth) == (
        846_155_167,
        1_790_735_999_410_400_000,
        266_720,
        84_275_842,
        1,
        1,
        846_155_167,
        5,
    )
    assert (one.seq, one.time, one.price, one.size, one.side) == (
        1_100_253_573, 1_790_735_999_416_138_000, 8_332_066, 416_080, Side.BUY
    )  # fmt: skip


def test_books_of_advanced_trade_are_whole_also_where_updates_are_empty(real_data):
    frames = (real_data / "coinbase" / "advanced_level2_20260824.jsonl").read_bytes().splitlines()
    read = ADVANCED.streams.group(frames)
    assert (read.malformed, read.numbers, list(read.runs)) == ([], list(range(12)), ["level2:BTC-USD"])
    assert read.controls == [Control(None, None, ("level2:BTC-USD",))]
    told = [json.loads(frame) for frame in frames if b"subscriptions" not in frame]
    book, levels, empty = Book(keep=0), Levels(), 0
    for event, w in zip(read.runs["level2:BTC-USD"], told, strict=True):
        diff = ADVANCED.streams.depth(event, tape(2, 8))
        book = follow(book, diff)
        assert diff.time == nanoseconds(w["timestamp"])
        (inner,) = w["events"]
        empty += not inner["updates"]
        for update in inner["updates"]:
            levels.change("bid" if update["side"] == "bid" else "ask", update["price_level"], update["new_quantity"])
    assert empty
    assert book.state is BookState.LIVE
    levels.check(book, tape(2, 8))


# The frames of 2026-09-29 in protocols/coinbase.md: one trade, told by both sides.
LAST_MATCH = {
    "type": "last_match", "trade_id": 1099995623, "maker_order_id": "7b0e4aeb-72c1-4d36-adce-e6221ffecc05",
    "taker_order_id": "92906bb7-eb38-40c1-9c54-76bc1dd19ce4", "side": "sell", "size": "0.00004104",
    "price": "84140.83", "product_id": "BTC-USD", "sequence": 136967652357, "time": "2026-09-29T13:45:58.116787Z",
}  # fmt: skip
TICKER = {
    "type": "ticker", "sequence": 136967652357, "product_id": "BTC-USD", "price": "84140.83", "open_24h": "83629.9",
    "volume_24h": "5667.41926850", "low_24h": "82510.37", "high_24h": "84557.01", "volume_30d": "180889.67159800",
    "best_bid": "84138.41", "best_bid_size": "0.02880000", "best_ask": "84146.91", "best_ask_size": "0.00949200",
    "side": "buy", "time": "2026-09-29T13:45:58.116787Z", "trade_id": 1099995623, "last_size": "0.00004104",
}  # fmt: skip


def test_a_match_tells_the_makers_side_and_the_ticker_of_the_same_trade_the_takers():
    frames = [json.dumps(one).encode() for one in (TICKER, LAST_MATCH)]
    read = EXCHANGE.streams.group(frames)
    (trade,) = EXCHANGE.streams.trades(read.runs["matches:BTC-USD"], tape(2, 8), 0)
    assert trade.seq == EXCHANGE.streams.ticker(read.runs["ticker:BTC-USD"][0], "x").last_id == TICKER["trade_id"]
    assert (LAST_MATCH["side"], TICKER["side"]) == ("sell", "buy")
    assert trade.side == Side.BUY


def test_whose_side_advanced_trade_tells_is_a_setting():
    assert ADVANCED.telling is not None
    assert (ADVANCED.sides, EXCHANGE.sides) == (("maker", "taker"), ())
    row = {"product_id": "A-USD", "price": "1", "size": "2", "time": "2026-09-30T02:39:59Z"}
    rows = [row | {"side": side, "trade_id": str(i)} for i, side in enumerate(("BUY", "SELL", ""))]
    events = [{"type": "update", "trades": rows}]
    frame = {"channel": "market_trades", "timestamp": "", "sequence_num": 0, "events": events}
    page = json.dumps({"trades": rows}).encode()
    for sides, expected in (("maker", [-1, 1, 0]), ("taker", [1, -1, 0])):
        one = ADVANCED.telling(sides)
        run = one.streams.group([json.dumps(frame).encode()]).runs["market_trades:A-USD"]
        assert [trade.side for trade in one.streams.trades(run, tape(0, 0), 0)] == expected
        assert [trade.side for trade in one.history.trades_page(page, tape(0, 0), None, 0).rows] == expected


def test_trades_of_several_products_in_one_frame_go_to_their_own_streams_in_the_order_of_ids():
    rows = [
        {"product_id": name, "trade_id": str(number), "price": "1.5", "size": "2", "side": "BUY",
         "time": f"2026-09-30T02:39:{number:02}Z"}
        for name, number in (("B-USD", 9), ("A-USD", 3), ("B-USD", 8), ("A-USD", 2))
    ]  # fmt: skip
    frame = {"channel": "market_trades", "timestamp": "", "sequence_num": 4, "events": [
        {"type": "snapshot", "trades": rows[:3]}, {"type": "update", "trades": rows[3:]}
    ]}  # fmt: skip
    runs = ADVANCED.streams.group([json.dumps(frame).encode()]).runs
    assert {name: [t.seq for t in ADVANCED.streams.trades(run, tape(1, 0), 0)] for name, run in runs.items()} == {
        "market_trades:B-USD": [8, 9], "market_trades:A-USD": [2, 3]
    }  # fmt: skip


def test_a_new_type_is_ignored_and_a_frame_that_breaks_off_is_not():
    new = [b'{"type":"rfq_match","trade_id":1}', b'{"channel":"auctions","timestamp":"","sequence_num":5,"events":[]}']
    broken = json.dumps(LAST_MATCH).encode()[:150]
    read = EXCHANGE.streams.group([new[0], broken, b'{"type":"match"}', b"[]", b"\xff"])
    assert read.malformed == [broken, b'{"type":"match"}', b"[]", b"\xff"]
    read = ADVANCED.streams.group([new[1], b'{"channel":"ticker","sequence_num":6}', b"{}"])
    assert (read.numbers, read.malformed) == ([5], [b'{"channel":"ticker","sequence_num":6}', b"{}"])


def test_a_heartbeat_of_trade_0_tells_of_none():
    frame = (
        b'{"type":"heartbeat","last_trade_id":0,"product_id":"A-USD","sequence":1,"time":"2026-09-29T13:45:59.000000Z"}'
    )
    (event,) = EXCHANGE.streams.group([frame]).runs["heartbeat:A-USD"]
    assert EXCHANGE.streams.beat(event) == Beat(1_790_689_559 * 10**9, -1)
    for counter in ('"3049"', "3049"):
        frame = (
            '{"channel":"heartbeats","client_id":"","timestamp":"2023-06-23T20:31:26.122969572Z","sequence_num":0,'
            f'"events":[{{"current_time":"2023-06-23 20:31:56 +0000 UTC m=+9.1","heartbeat_counter":{counter}}}]}}'
        )
        (event,) = ADVANCED.streams.group([frame.encode()]).runs["heartbeats"]
        assert ADVANCED.streams.beat(event) == Beat(1_687_552_286_122_969_572)


def test_statuses_tell_what_is_offline_and_what_is_over():
    products = [
        {"id": "A-USD", "status": "online"},
        {"id": "B-USD", "status": "delisted"},
        {"id": "C-USD", "status": "offline"},
    ]
    expected = {"A-USD": "trading", "B-USD": "delisted", "C-USD": "halted"}
    (event,) = EXCHANGE.streams.group(
        [json.dumps({"type": "status", "products": products, "currencies": []}).encode()]
    ).runs["status"]
    assert EXCHANGE.streams.statuses(event) == expected
    frame = {
        "channel": "status",
        "timestamp": "",
        "sequence_num": 0,
        "events": [{"type": "snapshot", "products": products}],
    }
    (event,) = ADVANCED.streams.group([json.dumps(frame).encode()]).runs["status"]
    assert ADVANCED.streams.statuses(event) == expected


def test_streams_are_subscribed_by_channel_and_signed_one_by_one():
    names = ["matches:A-USD", "heartbeat:A-USD", "matches:B-USD", "status"]
    (text,) = EXCHANGE.streams.subscribe(names, 1, lambda: "never asked")
    assert json.loads(text) == {"type": "subscribe", "channels": [
        {"name": "matches", "product_ids": ["A-USD", "B-USD"]}, {"name": "heartbeat", "product_ids": ["A-USD"]},
        "status",
    ]}  # fmt: skip
    tokens = iter("xyz")
    names = ["market_trades:A-USD", "ticker:A-USD", "market_trades:B-USD", "heartbeats"]
    texts = ADVANCED.streams.unsubscribe(names, 1, lambda: next(tokens))
    assert [json.loads(text) for text in texts] == [
        {"type": "unsubscribe", "channel": "market_trades", "product_ids": ["A-USD", "B-USD"], "jwt": "x"},
        {"type": "unsubscribe", "channel": "ticker", "product_ids": ["A-USD"], "jwt": "y"},
        {"type": "unsubscribe", "channel": "heartbeats", "jwt": "z"},
    ]
    (text,) = ADVANCED.streams.subscribe(["heartbeats"], 1, lambda: None)
    assert json.loads(text) == {"type": "subscribe", "channel": "heartbeats"}


def test_a_stream_of_all_products_is_no_stream_of_each():
    one = {
        venue.name: (venue.streams.kinds, venue.streams.standing("market"), venue.at_large)
        for venue in (EXCHANGE, ADVANCED)
    }
    status = Stream("status", "", "status", "market")
    assert one == {
        "coinbase": ({"trade", "ticker", "depth", "heartbeat"}, [], (status,)),
        "coinbase-advanced": (
            {"trade", "ticker", "depth"}, [Stream("heartbeats", "", "heartbeat", "market")], (status,)
        ),
    }  # fmt: skip


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
WHOLE = [
    LAST_MATCH,
    TICKER,
    {"type": "heartbeat", "last_trade_id": 1, "product_id": "X", "time": "2026-09-29T13:45:59Z"},
]


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(WHOLE), st.data())
def test_garbage_in_a_frame_is_counted_or_refused_and_never_raises_anything_else(frame, data):
    spoilt = dict(frame)
    spoilt[data.draw(st.sampled_from(sorted(frame)))] = data.draw(JSON)
    raw = json.dumps(spoilt).encode()
    raw = raw[: data.draw(st.integers(0, len(raw)) | st.just(len(raw)))]
    for one in (EXCHANGE, ADVANCED):
        grouped = one.streams.group([raw])
        for name, run in grouped.runs.items():
            read = {"matches": lambda run: EXCHANGE.streams.trades(run, tape(2, 8), 0)}
            read["heartbeat"] = lambda run: EXCHANGE.streams.beat(run[0])
            read["ticker"] = lambda run: EXCHANGE.streams.ticker(run[0], "x")
            with suppress(BadNumber):
                read[name.partition(":")[0]](run)


@pytest.mark.parametrize(
    "text", ["", "Z", "2026-09-29", "2026-13-29T13:45:58Z", "2026-09-29T13:45:58", "2026-09-29T13:45:58.1234567890Z",
             "1969-12-31T23:59:59Z", "2263-01-01T00:00:00Z", "2026-09-29T13:45:58.Z", "2026-09-29T13:45:٣٣Z"],
)  # fmt: skip
def test_what_is_no_time_is_refused(text):
    run = EXCHANGE.streams.group([json.dumps(LAST_MATCH | {"time": text}).encode()]).runs["matches:BTC-USD"]
    with pytest.raises(BadNumber, match="is no time"):
        EXCHANGE.streams.trades(run, tape(2, 8), 0)


def test_ids_of_a_recorded_hour_grow_with_time(real_data):
    read = EXCHANGE.streams.group(capture(real_data))
    for name, run in read.runs.items():
        if name.startswith("matches:"):
            trades = EXCHANGE.streams.trades(run, tape(8, 8), 0)
            assert all(one.time <= following.time for one, following in pairwise(trades))
            assert trades[-1].time // 10**9 - EPOCH_2021 < 3_600
