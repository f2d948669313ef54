"""Every recorded frame becomes the values it carries; what is malformed is counted and never stops a collector."""

import csv
import gzip
import json
from collections import Counter
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tapes import ID, Book, Collecting

from gapless.errors import BadInput, BadNumber, UnknownName
from gapless.model import MINUTE, MS, SECOND, Bar, Evidence, Quote, Tape, Ticker, Trade
from gapless.model.book import DepthDiff
from gapless.model.number import decimal
from gapless.venues.registry import VENUES, venue
from gapless.venues.spec import Control, Hosts, Ids

USDM, SPOT = venue("binance"), venue("binance-spot")
HOSTS = Hosts("https://rest", "wss://ws", "https://files")


def tape(price: int, size: int, kind: str = "agg", name: str = "binance:X") -> Tape:
    return Tape(instrument=name, kind=kind, price_digits=price, size_digits=size)


def recorded(folder: Path, name: str) -> list[bytes]:
    """Read the frames of a capture of cryptofeed."""
    lines = (folder / name).read_bytes().splitlines()
    return [line.partition(b": ")[2] for line in lines if line[:1].isdigit()]


def by_stream(frames: list[bytes]) -> dict[str, list[dict]]:
    """The oracle: the same frames by the standard library, laid out by stream."""
    runs: dict[str, list[dict]] = {}
    for raw in frames:
        message = json.loads(raw)
        runs.setdefault(message["stream"], []).append(message["data"])
    return runs


def digits(texts) -> int:
    return max((len(text.partition(".")[2].rstrip("0")) for text in texts), default=0)


CAPTURES = [
    ("binance", "binance-usdm/four_symbols_20210722.ws.1.0", 4),
    ("binance-spot", "binance-spot/four_symbols_20211012.ws.1.0", 2),
]


@pytest.mark.parametrize(("name", "file", "symbols"), CAPTURES)
def test_every_recorded_frame_is_read_whole(real_data, name, file, symbols):
    frames = recorded(real_data, file)
    market = venue(name)
    grouped = market.streams.group(frames)
    assert (grouped.malformed, grouped.controls, grouped.notices) == ([], [], [])
    expected = by_stream(frames)
    assert {stream: len(run) for stream, run in grouped.runs.items()} == {s: len(run) for s, run in expected.items()}
    checked = Counter()
    for stream, run in grouped.runs.items():
        kind = stream.partition("@")[2].partition("@")[0]
        check(kind, market, run, expected[stream])
        checked[kind] += 1
    assert checked["aggTrade"] == symbols
    assert sum(checked.values()) == len(expected)


def check(kind: str, market, run, wire) -> None:
    """Compare what a run was read to with its JSON, value by value."""
    if kind == "aggTrade":
        scale = tape(digits(w["p"] for w in wire), digits(w["q"] for w in wire))
        rows = market.streams.trades(run, scale, 7)
        p, s = scale.price_digits, scale.size_digits
        assert [
            (r.seq, r.time, decimal(r.price, p), decimal(r.size, s), r.side, r.fills, r.first_fill, r.received)
            for r in rows
        ] == [
            (w["a"], w["T"] * MS, Decimal(w["p"]), Decimal(w["q"]), -1 if w["m"] else 1, w["l"] - w["f"] + 1, w["f"], 7)
            for w in wire
        ]
        assert [row.seq for row in rows] == list(range(rows[0].seq, rows[0].seq + len(rows)))  # unbroken
    elif kind == "kline_1m":
        p, s = (max(digits(w["k"][n] for n in names for w in wire) for _ in [0]) for names in ("ohlc", "vV"))
        q = digits(w["k"][n] for n in "qQ" for w in wire)
        scale = tape(max(p, q - s), s, "bars")
        p = scale.price_digits
        for (bar, closed, time), w in zip(market.streams.bars(run, scale), wire, strict=True):
            k = w["k"]
            assert (bar.start, closed, time) == (k["t"] * MS, k["x"], w["E"] * MS)
            assert (bar.trades, bar.first_id, bar.last_id) == (k["n"], k["f"], k["L"])
            assert [decimal(v, p) for v in (bar.open, bar.high, bar.low, bar.close)] == [Decimal(k[n]) for n in "ohlc"]
            assert [decimal(v, s) for v in (bar.volume, bar.taker_buy_volume)] == [Decimal(k[n]) for n in "vV"]
            assert [decimal(v, p + s) for v in (bar.quote_volume, bar.taker_buy_quote_volume)] == [
                Decimal(k[n]) for n in "qQ"
            ]
    elif kind == "bookTicker":
        for event, w in zip(run, wire, strict=True):
            quote = market.streams.quote(event, tape(0, 0, name="x:Y"))
            assert quote == Quote("x:Y", w["u"], w.get("T", 0) * MS, w["b"], w["B"], w["a"], w["A"])
    else:
        assert kind == "depth"
        texts = [level for w in wire for side in "ba" for level in w[side]]
        scale = tape(digits(price for price, _ in texts), digits(size for _, size in texts))
        for event, w in zip(run, wire, strict=True):
            diff = market.streams.depth(event, scale)
            assert isinstance(diff, DepthDiff)
            assert msgspec.structs.astuple(diff)[:4] == (w["U"], w["u"], w.get("pu"), w["E"] * MS)
            for levels, side in zip(msgspec.structs.astuple(diff)[4:], "ba", strict=True):
                assert [
                    (decimal(price, scale.price_digits), decimal(size, scale.size_digits)) for price, size in levels
                ] == [(Decimal(price), Decimal(size)) for price, size in w[side]]


def test_closed_klines_of_a_recording_are_the_last_of_their_minute(real_data):
    frames = recorded(real_data, CAPTURES[0][1])
    closed = [w["k"] for s, run in by_stream(frames).items() if "kline" in s for w in run if w["k"]["x"]]
    assert len(closed) == 4
    runs = USDM.streams.group(frames).runs
    found = []
    for stream, run in runs.items():
        if "kline" in stream:
            found += [bar for bar, x, _ in USDM.streams.bars(run, tape(8, 8, "bars")) if x]
    assert sorted(
        (bar.start // MS, bar.trades, bar.first_id, bar.last_id, decimal(bar.volume, 8)) for bar in found
    ) == sorted((k["t"], k["n"], k["f"], k["L"], Decimal(k["v"])) for k in closed)


def test_recorded_single_trades_are_read_whole_and_one_is_a_void(real_data):
    with gzip.open(real_data / "binance-usdm/trxusdt_trades_20250304.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    frames = [
        json.dumps({"stream": r["Stream"], "data": {
            "e": r["EventType"], "E": int(r["EventTime"]), "T": int(r["TransactionTime"]), "s": r["Symbol"],
            "t": int(r["TradeId"]), "p": r["Price"], "q": r["Quantity"], "X": r["XUnknownParameter"],
            "m": r["IsBuyerMarketMaker"] == "1",
        }}).encode()
        for r in rows
    ]  # fmt: skip
    grouped = USDM.streams.group(frames)
    trades = USDM.streams.trades(grouped.runs["trxusdt@trade"], tape(5, 0, "trade"), 1)
    assert [(t.seq, t.time, decimal(t.price, 5), Decimal(t.size), t.side) for t in trades] == [
        (int(r["TradeId"]), int(r["TransactionTime"]) * MS, Decimal(r["Price"]), Decimal(r["Quantity"]),
         -1 if r["IsBuyerMarketMaker"] == "1" else 1)
        for r in rows
    ]  # fmt: skip
    assert [t.seq for t in trades] == list(range(trades[0].seq, trades[0].seq + 10_000))
    assert [t.seq for t in trades if not t.size] == [548_331_095]


@pytest.mark.parametrize("day", [8, 9])
def test_recorded_spot_frames_of_half_an_hour_are_read_without_a_miss(real_data, day):
    with gzip.open(real_data / f"binance-spot/btcusdt_2024080{day}.raw.gz") as file:
        frames = [raw for line in file if b'"stream"' in (raw := line.partition(b" ")[2])]
    grouped = SPOT.streams.group(frames)
    assert grouped.malformed == []
    assert sum(map(len, grouped.runs.values())) == len(frames)
    trades = SPOT.streams.trades(grouped.runs["btcusdt@trade"], tape(2, 5, "trade"), 1)
    assert [t.seq for t in trades] == list(range(trades[0].seq, trades[0].seq + len(trades)))
    last = json.loads(next(raw for raw in reversed(frames) if b"@trade" in raw))["data"]
    assert (trades[-1].seq, decimal(trades[-1].price, 2), decimal(trades[-1].size, 5)) == (
        last["t"], Decimal(last["p"]), Decimal(last["q"]),
    )  # fmt: skip


# Instruments


def test_recorded_exchange_info_gives_instruments_with_their_steps(real_data):
    head, _, _ = (real_data / "binance-usdm/four_symbols_20210722.http.0.0").read_text().partition("\nhttps")
    body = head.partition(": ")[2].encode()
    if b'"symbols"' not in body:
        body = (
            (real_data / "binance-usdm/four_symbols_20210722.0").read_text().splitlines()[0].partition(": ")[2].encode()
        )
    expected = {s["symbol"]: s for s in json.loads(body)["symbols"]}
    found = {i.symbol: i for i in USDM.history.instruments(body)}
    assert found.keys() == expected.keys()
    for symbol, instrument in found.items():
        info = expected[symbol]
        tick = next(f["tickSize"] for f in info["filters"] if f["filterType"] == "PRICE_FILTER")
        assert decimal(instrument.tick, instrument.price_digits) == Decimal(tick)
        assert instrument.price_digits == max(info["pricePrecision"], digits([tick]))
        assert (instrument.base, instrument.quote) == (info["baseAsset"], info["quoteAsset"])
        assert instrument.kind == ("future" if info["contractType"].endswith("QUARTER") else "perpetual")
    assert found["SUSHIUSDT"].unified == "SUSHI/USDT:USDT"


def test_streams_are_named_for_the_route_that_delivers_them():
    (instrument,) = [msgspec.structs.replace(USDM.archives.instrument("BTCUSDT"), price_digits=1, size_digits=3)]
    streams = {
        kind: USDM.streams.stream(instrument, kind) for kind in ("agg", "trade", "bars", "ticker", "quote", "depth")
    }
    assert {kind: (stream.name, stream.group) for kind, stream in streams.items()} == {
        "agg": ("btcusdt@aggTrade", "market"),
        "trade": ("btcusdt@trade", "public"),
        "bars": ("btcusdt@kline_1m", "market"),
        "ticker": ("btcusdt@ticker", "market"),
        "quote": ("btcusdt@bookTicker", "public"),
        "depth": ("btcusdt@depth@100ms", "public"),
    }
    assert USDM.streams.url(HOSTS, "market") == "wss://ws/market/stream"
    assert USDM.streams.url(HOSTS, "public") == "wss://ws/public/stream"
    assert SPOT.streams.url(HOSTS, "trades") == "wss://ws/stream"
    assert json.loads(*USDM.streams.subscribe(["a@trade", "b@trade"], 7, None)) == {
        "method": "SUBSCRIBE", "params": ["a@trade", "b@trade"], "id": 7,
    }  # fmt: skip


def test_an_unknown_venue_is_answered_with_the_nearest():
    with pytest.raises(
        UnknownName, match=r"there is no venue 'binanc'; allowed are binance, binance-spot, .*; did you mean"
    ):
        venue("binanc")
    assert set(VENUES) >= {"binance", "binance-spot"}
    with pytest.raises(BadInput, match=r"venues.binance.sim_url must be the address of a simulator"):
        USDM.hosts("sim", None)


# Control replies


@pytest.mark.parametrize(
    ("raw", "control"),
    [
        ('{"result":null,"id":7}', Control(7, None)),
        ('{"id":7,"result":null}', Control(7, None)),
        ('{"result":["btcusdt@aggTrade"],"id":3}', Control(3, None)),
        ('{"code":0,"msg":"Unknown property","id":5}', Control(5, "Unknown property (0)")),
        ('{"error":{"code":2,"msg":"Invalid request: streams must have non-zero length"},"id":1}',
         Control(1, "Invalid request: streams must have non-zero length (2)")),
        ('{"code":3,"msg":"Invalid JSON: expected value at line 1 column 1"}',
         Control(None, "Invalid JSON: expected value at line 1 column 1 (3)")),
        ('{"result":null,"id":"mine"}', Control(None, None)),
    ],
)  # fmt: skip
def test_replies_are_told_apart_from_data_and_name_what_was_refused(raw, control):
    grouped = USDM.streams.group([raw.encode()])
    assert (grouped.controls, grouped.runs, grouped.malformed) == ([control], {}, [])


def test_a_notice_of_shutdown_is_no_data():
    raw = b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}'
    grouped = SPOT.streams.group([raw, raw])
    assert grouped.notices == ["serverShutdown"] * 2
    assert grouped.runs == {}


# What is malformed

GOOD = {
    "e": "aggTrade",
    "E": 1,
    "a": 5,
    "s": "TESTUSDT",
    "p": "1.00",
    "q": "1.000",
    "f": 1,
    "l": 1,
    "T": 1_767_787_200_000,
    "m": True,
}
AGG = "testusdt@aggTrade"


def frame(stream: str = AGG, **changes) -> bytes:
    data = {**GOOD, **changes}
    return json.dumps({"stream": stream, "data": {k: v for k, v in data.items() if v is not ...}}).encode()


MALFORMED = [
    b"", b"{", b"null", b"[]", b'"text"', b"\xff\xfe", b'{"stream":"testusdt@aggTrade"}', b'{"data":{}}',
    b'{"stream":"testusdt@aggTrade","data":null}', b'{"stream":"testusdt@aggTrade","data":[]}',
    frame(e="depthUpdate"), frame(e="unheard"), frame(e=...), frame(a=...), frame(p=...), frame(p=1.0), frame(a="5"),
    frame(p="1e5"), frame(p="nan"), frame(p="-1.00"), frame(p="1.005"), frame(q="1.0005"), frame(p=""), frame(q="１"),
    frame(a=2**63), frame(a=-1), frame(T=2**62), frame(T=-1), frame(f=2**63), frame(p="9" * 30), frame(q="9" * 30),
    frame(p="9" * 15 + ".00", q="9" * 12 + ".000"), frame(m="true"), frame(e="serverShutdown", a=...),
    frame("testusdt@kline_1m"), frame(e="trade", t=1),
    b'{"stream":"testusdt@aggTrade","data":{"u":1,"s":"X","b":"1","B":"1","a":"1","A":"1"}}',
    b'{"stream":"testusdt@kline_1m","data":{"e":"kline","E":1,"k":{"t":1,"i":"1m","f":1,"L":1,"o":"x","c":"1","h":"1",'
    b'"l":"1","v":"1","n":1,"x":true,"q":"1","V":"1","Q":"1"}}}',
    b'{"stream":"testusdt@kline_1m","data":{"e":"kline","E":1,"k":{"t":1,"i":"1m","f":1,"L":1,"o":"1","c":"1","h":"1",'
    b'"l":"1","v":"1","n":1,"x":true,"q":"99999999999999999999.5","V":"1","Q":"1"}}}',
]  # fmt: skip


@pytest.mark.parametrize("raw", MALFORMED, ids=lambda raw: raw[:70].decode(errors="replace"))
@pytest.mark.parametrize("company", ["alone", "first", "last", "between"])
def test_a_malformed_frame_never_costs_the_good_ones_beside_it(raw, company):
    one, two = frame(), frame(a=6)
    frames = {"alone": [raw], "first": [raw, one, two], "last": [one, two, raw], "between": [one, raw, two]}[company]
    book = Book("agg")
    collecting = Collecting(book)
    grouped = collecting.venue.streams.group(frames)
    collecting.pipeline.batch(grouped.runs, 1, 1)
    collecting.commit()
    stored = [row.seq for row in book.store.trades(book.tape.id, 0, 2**62)]
    assert stored == ([] if company == "alone" else [5, 6])
    assert book.store.candles(ID, 0, 2**62) == []


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_damage_to_a_frame_stops_a_collector(data):
    """Bytes are changed, cut out and put in anywhere; what comes of it is counted, stored or waited for."""
    frames = []
    for seq in range(1, 4):
        raw = bytearray(frame(a=seq))
        for _ in range(data.draw(st.integers(0, 3))):
            at = data.draw(st.integers(0, len(raw) - 1))
            raw[at : at + data.draw(st.integers(0, 3))] = data.draw(
                st.sampled_from([b"", b"0", b"9" * 20, b"-", b'"', b"{}", b"e", b"\x00", b"null"])
            )
        frames.append(bytes(raw))
    book = Book("agg")
    collecting = Collecting(book)
    collecting.pipeline.batch(collecting.venue.streams.group(frames).runs, 1, 1)
    collecting.commit()
    for row in book.store.trades(book.tape.id, 0, 2**62):
        assert row.seq in [
            s.first + n for s in book.store.all_spans(book.tape.id) for n in range(min(s.last - s.first + 1, 9))
        ]


@pytest.mark.parametrize("text", ["1.00", "0.00", "12345.67", "1.000", "1", "1.0", "0001.50"])
def test_prices_of_any_padding_are_exact(text):
    grouped = USDM.streams.group([frame(p=text), frame(a=6, p="2.50")])
    rows = USDM.streams.trades(grouped.runs[AGG], tape(2, 3), 1)
    assert [decimal(row.price, 2) for row in rows] == [Decimal(text), Decimal("2.50")]


def test_spot_pads_to_eight_digits_and_more_than_the_tape_has_is_refused():
    run = SPOT.streams.group([frame(p="61800.30000000", q="0.00100000")]).runs[AGG]
    (row,) = SPOT.streams.trades(run, tape(1, 3), 1)
    assert (row.price, row.size) == (618_003, 1)
    run = SPOT.streams.group([frame(p="61800.30000001", q="0.00100000")]).runs[AGG]
    with pytest.raises(BadNumber):
        SPOT.streams.trades(run, tape(1, 3), 1)


# REST


def test_pages_vouch_from_the_id_that_was_asked_for():
    body = json.dumps(
        [{"a": n, "p": "1.5", "q": "2", "f": n, "l": n + 1, "T": n, "m": False} for n in (9, 8, 7)]
    ).encode()
    page = USDM.history.trades_page(body, tape(1, 0), 7, 5)
    assert ([row.seq for row in page.rows], page.first, page.last) == ([7, 8, 9], 7, 9)
    assert page.rows[0] == Trade(7, 7 * MS, 15, 2, 1, 2, 7, 5)
    assert USDM.history.trades_page(b"[]", tape(1, 0), 7, 5).last is None
    single = json.dumps([{"id": 12, "price": "1.5", "qty": "2", "time": 3, "isBuyerMaker": True}]).encode()
    gap = USDM.history.trades_page(single, tape(1, 0, "trade"), 10, 5)
    assert (gap.first, gap.last, gap.rows) == (10, 12, [Trade(12, 3 * MS, 15, 2, -1, 1, 12, 5)])


def test_requests_page_by_id_and_name_their_weight():
    agg, single = tape(1, 3, name="binance:BTCUSDT"), tape(1, 3, "trade", name="binance:BTCUSDT")
    asked = USDM.history.trades_request(HOSTS, agg, Ids(first=100, last=5_000), keyed=False)
    assert (asked.url, asked.weight) == ("https://rest/fapi/v1/aggTrades?symbol=BTCUSDT&fromId=100&limit=1000", 20)
    keyed = USDM.history.trades_request(HOSTS, single, Ids(first=100, last=101), keyed=True)
    assert (keyed.url, keyed.keyed) == ("https://rest/fapi/v1/historicalTrades?symbol=BTCUSDT&fromId=100&limit=2", True)
    newest = USDM.history.trades_request(HOSTS, single, Ids(first=100, last=101), keyed=False)
    assert (newest.url, newest.by_id) == ("https://rest/fapi/v1/trades?symbol=BTCUSDT&limit=1000", False)
    bars = USDM.history.bars_request(HOSTS, "BTCUSDT", 60 * SECOND, 240 * SECOND, 0)
    assert bars.url == "https://rest/fapi/v1/klines?symbol=BTCUSDT&interval=1m&startTime=60000&endTime=239999&limit=3"
    for rows, weight in ((100, 1), (101, 2), (500, 2), (501, 5), (1_000, 5)):
        assert USDM.history.bars_request(HOSTS, "BTCUSDT", 0, rows * MINUTE, 0).weight == weight


def test_a_page_of_klines_is_read_on_all_fields():
    row = [60_000, "1.5", "2.5", "0.5", "2.0", "10", 119_999, "15.5", 3, "4", "6.2", "0"]
    (bar,) = USDM.history.bars(json.dumps([row]).encode(), tape(1, 0, "bars"))
    assert bar == Bar(60 * SECOND, 15, 25, 5, 20, 10, 155, 3, 4, 62)


def test_the_summary_names_the_newest_execution():
    names = ("priceChangePercent", "lastPrice", "openPrice", "highPrice", "lowPrice", "volume", "quoteVolume")
    row = {"symbol": "BTCUSDT", "closeTime": 9, "firstId": 1, "lastId": 77, "count": 77, **dict.fromkeys(names, "1")}
    assert USDM.history.newest(json.dumps(row).encode()) == (77, 9 * MS)


def test_a_ticker_keeps_the_venues_own_text():
    data = {
        "e": "24hrTicker", "E": 5, "s": "X", "p": "1", "P": "2.50", "w": "1", "c": "10.10", "Q": "1", "o": "9",
        "h": "11", "l": "8.5", "v": "100", "q": "1000.5", "O": 1, "C": 2, "F": 3, "L": 9, "n": 7, "st": 1,
    }  # fmt: skip
    (event,) = USDM.streams.group([json.dumps({"stream": "x@ticker", "data": data}).encode()]).runs["x@ticker"]
    assert USDM.streams.ticker(event, "binance:X") == Ticker(
        "binance:X", 5 * MS, "10.10", "9", "11", "8.5", "100", "1000.5", "2.50", 7, 3, 9
    )


def test_evidence_grows_stronger_in_the_order_that_merging_relies_on():
    assert sorted(Evidence) == [Evidence.ALIVE, Evidence.ARCHIVE, Evidence.REST, Evidence.RECOVERED, Evidence.STREAM]
