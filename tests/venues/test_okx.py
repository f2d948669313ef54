"""Every recorded frame of OKX becomes the values it carries, in base units; what is malformed is counted."""

import json
import zlib
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

import msgspec
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from gapless.collect.settings import VenueSettings
from gapless.collect.settings import check as checked
from gapless.errors import BadInput, BadNumber
from gapless.model import MS, Instrument, Quote, Tape, Ticker, Trade
from gapless.model.book import BookEvent, DepthSnapshot
from gapless.model.number import decimal, plain
from gapless.protocol.session import Session, Watch
from gapless.query.resolve import resolve
from gapless.tape.book import Book
from gapless.venues.okx import symbols
from gapless.venues.registry import venue
from gapless.venues.spec import Control, Grouped, Stream

OKX = venue("okx")
SPOT = Instrument(
    venue="okx", symbol="BTC-USDT", base="BTC", quote="USDT", kind="spot", price_digits=1, size_digits=8, tick=1
)
SWAP = Instrument(
    venue="okx", symbol="BTC-USDT-SWAP", base="BTC", quote="USDT", kind="perpetual", price_digits=1, size_digits=4,
    tick=1, contract_size="0.01",
)  # fmt: skip
INVERSE = Instrument(
    venue="okx", symbol="BTC-USD-SWAP", base="BTC", quote="USD", kind="perpetual", price_digits=1, size_digits=8,
    tick=1, contract_size="100", inverse=True,
)  # fmt: skip


def recorded(real_data) -> list[bytes]:
    """Read what was received in the capture of 2022."""
    lines = (real_data / "okx/three_instruments_20220513.ws.1.0").read_bytes().splitlines()
    return [line.partition(b": ")[2] for line in lines if line[:1].isdigit()]


def listed(real_data) -> dict[str, Instrument]:
    """Read the lists of the capture of 2022, as we do."""
    packed = (real_data / "okx/instruments_20220513.zst").read_bytes()
    lines = zstandard.ZstdDecompressor().stream_reader(packed).read().splitlines()
    bodies = [line.partition(b": ")[2] for line in lines if line.startswith(b"https")]
    return {one.symbol: one for body in bodies for one in OKX.history.instruments(body)}


def base(contracts: str, price: str, one: Instrument) -> Decimal:
    """The oracle of sizes: decimals, rounded once where the contract is inverse."""
    with localcontext(prec=60):
        worth = Decimal(contracts) * Decimal(one.contract_size)
        if not one.inverse:
            return worth
        return (worth / Decimal(price)).quantize(Decimal(1).scaleb(-one.size_digits), ROUND_HALF_EVEN)


def of(message: dict) -> str:
    return f"{message['arg']['channel']}:{message['arg']['instId']}"


def test_every_frame_of_the_capture_is_read_whole(real_data):
    frames, known = recorded(real_data), listed(real_data)
    grouped = OKX.streams.group(frames)
    said = [json.loads(raw) for raw in frames]
    assert (grouped.malformed, grouped.notices) == ([], [])
    assert grouped.controls == [Control(None, None, (of(m),)) for m in said if "event" in m]
    pushes = [m for m in said if "data" in m]
    assert (len(pushes), len(said)) == (290 + 28 + 74, 410)
    expected: dict[str, list[dict]] = {}
    for push in pushes:
        expected.setdefault(of(push), []).extend({**row, "action": push.get("action", "")} for row in push["data"])
    assert {name: len(run) for name, run in grouped.runs.items()} == {name: len(run) for name, run in expected.items()}
    for name, run in grouped.runs.items():
        check(name, run, expected[name], known[name.partition(":")[2]])


def check(name: str, run, wire: list[dict], one: Instrument) -> None:
    """Compare what a run was read to with its JSON, value by value."""
    channel, tape = name.partition(":")[0], one.scale("span")
    if channel == "trades":
        trades = OKX.streams.trades(run, tape, 7)
        assert [
            (t.seq, t.time, decimal(t.price, one.price_digits), decimal(t.size, one.size_digits), t.side, t.fills,
             t.first_fill, t.received)
            for t in trades
        ] == [
            (int(w["tradeId"]), int(w["ts"]) * MS, Decimal(w["px"]), base(w["sz"], w["px"], one),
             {"buy": 1, "sell": -1}[w["side"]], 1, int(w["tradeId"]), 7)
            for w in wire
        ]  # fmt: skip
        assert [t.seq for t in trades] == list(range(trades[0].seq, trades[0].seq + len(trades)))  # unbroken
    elif channel == "tickers":
        volume, quote = ("vol24h", "volCcy24h") if one.kind == "spot" else ("volCcy24h", "")
        assert [OKX.streams.ticker(event, one.id) for event in run] == [
            Ticker(one.id, int(w["ts"]) * MS, w["last"], w["open24h"], w["high24h"], w["low24h"], w[volume],
                   w.get(quote, ""), "", -1, -1, -1, w["bidPx"], w["askPx"])
            for w in wire
        ]  # fmt: skip
    else:
        assert channel == "books"
        for event, w in zip(run, wire, strict=True):
            change = OKX.streams.depth(event, tape)
            assert isinstance(change, DepthSnapshot) == (w["action"] == "snapshot")
            assert (change.last, change.time) == (0, int(w["ts"]) * MS)  # sequence numbers came later
            for levels, side in ((change.bids, w["bids"]), (change.asks, w["asks"])):
                assert [(decimal(p, one.price_digits), decimal(s, one.size_digits)) for p, s in levels] == [
                    (Decimal(price), base(size, price, one)) for price, size, *_ in side
                ]


def test_all_290_books_of_the_capture_match_the_checksum_that_the_venue_gave_them(real_data):
    """The oracle is the venue's CRC32 over 25 levels, made of our levels in its own contracts and texts."""
    known, books, matched = listed(real_data), {}, 0
    for raw in recorded(real_data):
        message = json.loads(raw)
        if message.get("arg", {}).get("channel") != "books" or "data" not in message:
            continue
        one = known[message["arg"]["instId"]]
        (event,) = OKX.streams.group([raw]).runs[of(message)]
        change = OKX.streams.depth(event, one.scale("trade"))
        if isinstance(change, DepthSnapshot):
            books[one.symbol] = Book(keep=0)
            assert books[one.symbol].snapshot(change) is BookEvent.JOINED
        else:
            at = books[one.symbol].last
            change = msgspec.structs.replace(change, first=at + 1, last=at + 1, previous=at)
            assert books[one.symbol].diff(change) is BookEvent.APPLIED
        bids, asks = books[one.symbol].top(25)
        parts = []
        for i in range(25):
            for side in (bids, asks):
                parts += [f"{text(one, side[i][0])}:{contracts(one, *side[i])}"] if i < len(side) else []
        checksum = zlib.crc32(":".join(parts).encode())
        assert checksum == message["data"][0]["checksum"] % 2**32
        matched += 1
    assert matched == 290


def text(one: Instrument, price: int) -> str:
    return f"{decimal(price, one.price_digits).normalize():f}"


def contracts(one: Instrument, price: int, size: int) -> str:
    """Count a level back into the venue's contracts."""
    amount = decimal(size, one.size_digits)
    if one.inverse:
        amount = (amount * decimal(price, one.price_digits)).quantize(Decimal(10))
    return f"{(amount / Decimal(one.contract_size)).normalize():f}"


def test_the_frames_of_2026_are_read_whole(real_data):
    frames = (real_data / "okx/frames_20260926.jsonl").read_bytes().splitlines()
    grouped = OKX.streams.group(frames)
    named = [f"{channel}:BTC-USDT-SWAP" for channel in ("books", "bbo-tbt", "trades")]
    assert grouped.controls == [Control(None, None, (name,)) for name in named]  # "md" is no id of ours
    assert (grouped.malformed, grouped.notices, set(grouped.runs)) == ([], [], set(named))
    tape = SWAP.scale("span")
    assert OKX.streams.trades(grouped.runs[named[2]], tape, 5) == [
        Trade(2_953_620_209, 1_790_439_594_782 * MS, 840_934, 1, -1, 1, 2_953_620_209, 5)
    ]
    assert [OKX.streams.quote(event, tape) for event in grouped.runs[named[1]]] == [
        Quote("okx:BTC-USDT-SWAP", 342_177_336_945, 1_790_439_594_900 * MS, "84093.4", "5.7027", "84093.5", "6.6719"),
        Quote("okx:BTC-USDT-SWAP", 342_177_342_612, 1_790_439_597_150 * MS, "84099.5", "18.1167", "84099.6", "3.9330"),
        Quote("okx:BTC-USDT-SWAP", 342_177_342_793, 1_790_439_597_220 * MS, "84099.5", "18.1171", "84099.6", "3.9341"),
    ]
    (event,) = grouped.runs[named[0]]
    change = OKX.streams.depth(event, tape)
    wire = json.loads(frames[-1])["data"][0]
    assert (change.previous, change.last, change.time) == (342_177_342_746, 342_177_342_909, 1_790_439_597_300 * MS)
    for levels, side in ((change.bids, wire["bids"]), (change.asks, wire["asks"])):
        assert [(decimal(p, 1), decimal(s, 4)) for p, s in levels] == [
            (Decimal(price), base(size, price, SWAP)) for price, size, *_ in side
        ]


# Instruments


@pytest.mark.parametrize(("kind", "count"), [("SPOT", 776), ("SWAP", 284)])
def test_every_instrument_of_the_lists_of_2025_is_described(real_data, kind, count):
    rows = json.loads((real_data / f"okx/okx.{kind}.2025-05-08.json").read_text())
    found = OKX.history.instruments(json.dumps({"code": "0", "data": rows, "msg": ""}).encode())
    assert len(found) == len(rows) == count
    for one, row in zip(found, rows, strict=True):
        pair = row["instId"].split("-")
        assert (one.symbol, one.base, one.quote) == (row["instId"], pair[0], pair[1])
        assert decimal(one.tick, one.price_digits) == Decimal(row["tickSz"])
        assert one.status == ("trading" if row["state"] == "live" else "halted")
        assert one.listed == int(row["listTime"]) * MS
        assert one.inverse == (row["ctType"] == "inverse")
        if kind == "SWAP":
            assert one.kind == "perpetual"
            assert Decimal(one.contract_size) == Decimal(row["ctVal"]) * Decimal(row["ctMult"])
        if one.inverse:  # prices of five digits: a contract has at least three, and ten thousand million fit
            assert 10**4 <= 10**one.size_digits * Decimal(one.contract_size) / (10**5 * Decimal(row["tickSz"])) <= 10**9
        else:
            least = Decimal(row["lotSz"]) * Decimal(one.contract_size)
            assert plain(int(least.scaleb(one.size_digits)), one.size_digits)  # the smallest trade is exact
            assert decimal(int(least.scaleb(one.size_digits)), one.size_digits) == least
    names = {one.symbol: one.unified for one in found}
    if kind == "SWAP":
        assert (names["BTC-USDT-SWAP"], names["BTC-USD-SWAP"]) == ("BTC/USDT:USDT", "BTC/USD:BTC")


def test_dated_futures_are_named_by_the_day_on_which_they_end_and_options_are_left_out(real_data):
    known = listed(real_data)
    one = known["BTC-USD-220527"]
    assert (one.unified, one.kind, one.contract_size, one.inverse) == ("BTC/USD:BTC-220527", "future", "100", True)
    assert not any(symbol.endswith(("-C", "-P")) for symbol in known)


def test_a_multiplier_counts_and_an_instrument_without_a_tick_is_not_listed():
    row = {
        "instType": "SWAP", "instId": "X-USDT-SWAP", "state": "live", "ctVal": "0.1", "ctMult": "10",
        "ctType": "linear", "ctValCcy": "X", "settleCcy": "USDT", "tickSz": "0.01", "lotSz": "0.1", "listTime": "",
        "expTime": "",
    }  # fmt: skip

    def read(**changes) -> list[Instrument]:
        return OKX.history.instruments(json.dumps({"code": "0", "data": [{**row, **changes}]}).encode())

    (one,) = read()
    assert (one.contract_size, one.size_digits, one.listed, one.delisted) == ("1", 1, None, None)
    assert [read(**{key: ""}) for key in ("tickSz", "lotSz", "ctVal", "ctType")] == [[], [], [], []]
    assert read(tickSz="0.0x") == read(instType="OPTION") == read(instType="EVENTS") == []
    assert [read(state=state)[0].status for state in ("suspend", "preopen", "test", "expired")] == [
        "halted", "halted", "halted", "delisted",
    ]  # fmt: skip


# Sizes

PRICE = st.integers(1, 10**6).map(lambda n: f"{Decimal(n).scaleb(-2):f}")
LOTS = st.integers(1, 10**5).map(lambda n: f"{Decimal(n).scaleb(-2).normalize():f}")
WORTH = st.sampled_from(["1", "0.01", "0.001", "10", "1000", "0.0001", "1000000"])


def scale(worth: str, *, inverse: bool, kind: str = "trade") -> Tape:
    digits = 8 if inverse else 2 + max(-Decimal(worth).as_tuple().exponent, 0)
    return Tape(instrument="okx:X", kind=kind, price_digits=2, size_digits=digits, contract_size=worth, inverse=inverse)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(PRICE, LOTS), min_size=1, max_size=5), WORTH)
def test_contracts_become_base_units_exactly(rows, worth):
    tape = scale(worth, inverse=False)
    trades = OKX.streams.trades([row(sz=lots, px=price) for price, lots in rows], tape, 0)
    assert [(decimal(t.price, 2), decimal(t.size, tape.size_digits)) for t in trades] == [
        (Decimal(price), Decimal(lots) * Decimal(worth)) for price, lots in rows
    ]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(100_000, 10**9), st.integers(1, 1_000)), min_size=1, max_size=5))
def test_inverse_contracts_are_rounded_once_alone_and_alike_by_stream_and_by_history(rows):
    tape = scale("100", inverse=True)
    wire = [
        {"instId": "X", "tradeId": str(i), "px": f"{Decimal(price).scaleb(-2):f}", "sz": str(count), "side": "buy",
         "ts": "5"}
        for i, (price, count) in enumerate(rows)
    ]  # fmt: skip
    raw = json.dumps({"arg": {"channel": "trades-all", "instId": "X"}, "data": wire}).encode()
    live = OKX.streams.trades(OKX.streams.group([raw]).runs["trades-all:X"], tape, 0)
    page = OKX.history.trades_page(json.dumps({"code": "0", "data": wire[::-1]}).encode(), tape, None, 0)
    assert live == page.rows
    with localcontext(prec=60):
        assert [decimal(t.size, 8) for t in live] == [
            (Decimal(100 * count) / Decimal(price).scaleb(-2)).quantize(Decimal("1e-8"), ROUND_HALF_EVEN)
            for price, count in rows
        ]


def test_a_contract_that_is_worth_next_to_nothing_is_no_void():
    tape = msgspec.structs.replace(scale("1", inverse=True), size_digits=0)
    (trade,) = OKX.streams.trades([row(sz="1", px="99999.00")], tape, 0)
    assert trade.size == 1


def row(**changes):
    """A row of trades as it is decoded."""
    wire = {"tradeId": "7", "px": "1.00", "sz": "1", "side": "buy", "ts": "1767787200000", **changes}
    raw = json.dumps({"arg": {"channel": "trades", "instId": "X"}, "data": [wire]}).encode()
    return OKX.streams.group([raw]).runs["trades:X"][0]


def test_a_row_of_several_executions_stands_for_the_ids_before_its_own():
    (trade,) = OKX.streams.trades([row(tradeId="123", count="3")], scale("1", inverse=False, kind="span"), 9)
    assert (trade.seq, trade.fills, trade.first_fill) == (123, 3, 121)
    with pytest.raises(BadNumber):
        OKX.streams.trades([row(tradeId="1", count="3")], scale("1", inverse=False, kind="span"), 9)


# Candles


def candles(*rows: list[str], one: Instrument = SPOT) -> list:
    raw = json.dumps({"arg": {"channel": "candle1m", "instId": one.symbol}, "data": rows}).encode()
    return OKX.streams.bars(OKX.streams.group([raw]).runs[f"candle1m:{one.symbol}"], one.scale("bars"))


def test_candles_are_read_in_base_units_with_what_they_tell_and_no_more():
    prices = ["84099.5", "84120", "84090.1", "84100.2"]
    wire = ["1767787200000", *prices, "1234.5", "12.345", "1038214.55666", "1"]
    ((spot, closed, time),) = candles(wire)
    assert (spot.open, spot.high, spot.low, spot.close) == (840_995, 841_200, 840_901, 841_002)
    assert (spot.start, closed, time) == (1_767_787_200_000 * MS, True, 1_767_787_260_000 * MS)
    assert (decimal(spot.volume, 8), decimal(spot.quote_volume, 9)) == (Decimal("1234.5"), Decimal("1038214.55666"))
    assert (spot.trades, spot.taker_buy_volume, spot.first_id, spot.last_id) == (-1, -1, -1, -1)
    ((swap, _, _),) = candles(wire, one=SWAP)
    assert (decimal(swap.volume, 4), decimal(swap.quote_volume, 5)) == (Decimal("12.345"), Decimal("1038214.55666"))
    wire = ["1767787200000", *prices, "124", "0.1474", "12400", "0"]
    ((inverse, closed, time),) = candles(wire, one=INVERSE)
    assert (decimal(inverse.volume, 8), decimal(inverse.quote_volume, 9)) == (Decimal("0.1474"), Decimal(12_400))
    assert (closed, time) == (False, inverse.start)


def test_a_quote_sum_with_more_digits_than_are_kept_is_rounded_and_a_price_never_is():
    wire = ["0", "1", "1", "1", "1", "1", "1", "1.0000005", "1"]
    ((bar, _, _),) = candles(wire, one=SWAP)
    assert bar.quote_volume == 100_000
    with pytest.raises(BadNumber):
        candles(["0", "1.05", "1.05", "1.05", "1.05", "1", "1", "1", "1"], one=SWAP)


@pytest.mark.parametrize(
    ("one", "at", "wrong"),
    [(INVERSE, 6, "999999999999999"), (INVERSE, 6, "-0.1"), (INVERSE, 5, "x"), (SWAP, 5, "9" * 18), (SWAP, 5, "-1"),
     (SWAP, 7, "-1"), (SWAP, 7, "1e9"), (SPOT, 5, "99999999999"), (SPOT, 7, "9" * 20), (SPOT, 1, "-1")],
)  # fmt: skip
def test_a_bar_that_cannot_be_is_never_stored(one, at, wrong):
    wire = ["0", "1", "1", "1", "1", "1", "1", "1", "1"]
    candles(wire, one=one)
    wire[at] = wrong
    with pytest.raises(BadNumber):
        candles(wire, one=one)


# Control


@pytest.mark.parametrize(
    ("raw", "control"),
    [
        ('{"id":"12","event":"subscribe","arg":{"channel":"tickers","instId":"A-B"},"connId":"accb8e21"}',
         Control(12, None, ("tickers:A-B",))),
        ('{"event":"subscribe","arg":{"channel":"instruments","instType":"SPOT"},"connId":"a"}',
         Control(None, None, ("instruments:SPOT",))),
        ('{"id":"3","event":"unsubscribe","arg":{"channel":"books","instId":"A-B"},"connId":"d"}', Control(3, None)),
        ('{"event":"error","code":"60018","msg":"Wrong URL or channel:candle1s,instId:BTC-USDT-SWAP doesn\'t exist. '
         'Please use the correct URL, channel and parameters referring to API document.","connId":"2b5dc6ac"}',
         Control(None, "Wrong URL or channel:candle1s,instId:BTC-USDT-SWAP doesn't exist. Please use the correct URL, "
                 "channel and parameters referring to API document. (60018)", ("candle1s:BTC-USDT-SWAP",))),
        ('{"id":"9","event":"error","code":"60012","msg":"Invalid request: {}","connId":"a4d3ae55"}',
         Control(9, "Invalid request: {} (60012)")),
    ],
)  # fmt: skip
def test_replies_name_what_they_speak_of(raw, control):
    assert OKX.streams.group([raw.encode()]) == Grouped({}, [control], [], [])


def test_a_notice_is_told_a_pong_passed_over_and_a_trouble_of_the_venue_is_no_answer():
    notice = b'{"event":"notice","code":"64008","msg":"The connection will soon be closed.","connId":"a4d3ae55"}'
    assert OKX.streams.group([notice, b"pong"]).notices == ["The connection will soon be closed. (64008)"]
    for code in ("64007", "60014"):
        raw = json.dumps({"event": "error", "code": code, "msg": "retry", "id": "1", "connId": "a"}).encode()
        assert OKX.streams.group([raw, b"pong"]) == Grouped({}, [], [], [])


def test_subscriptions_name_channel_and_instrument_on_their_paths_and_fit_into_a_message():
    hosts = OKX.hosts("live", None)
    kinds = ("trade", "span", "bars", "ticker", "quote", "depth")
    streams = {kind: OKX.streams.stream(SWAP, kind) for kind in kinds}
    path = {kind: OKX.streams.url(hosts, stream.group) for kind, stream in streams.items()}
    public, business = "wss://ws.okx.com:8443/ws/v5/public", "wss://ws.okx.com:8443/ws/v5/business"
    assert path == dict.fromkeys(kinds, public) | {"trade": business, "bars": business}
    with pytest.raises(BadInput, match=r"venues.okx.books_stream: 'book' is not allowed; allowed are books, books5"):
        checked(VenueSettings(books_stream="book"), OKX)
    assert OKX.streams.stream(SWAP, "depth", "books5").name == "books5:BTC-USDT-SWAP"
    names = [streams["trade"].name, OKX.at_large[1].name]
    assert json.loads(*OKX.streams.subscribe(names, 7, None)) == {
        "id": "7", "op": "subscribe",
        "args": [{"channel": "trades-all", "instId": "BTC-USDT-SWAP"}, {"channel": "instruments", "instType": "SWAP"}],
    }  # fmt: skip
    longest = ["trades-all:" + "X" * 40 for _ in range(OKX.limits.names_per_message)]
    assert len(OKX.streams.subscribe(longest, 2**62, None)[0]) < 65_536


def test_demo_is_told_by_hosts_and_a_header_and_a_simulator_by_its_address():
    live, demo, sim = (OKX.hosts(name, "http://h:1") for name in ("live", "demo", "sim"))
    assert demo.websocket == "wss://wspap.okx.com:8443"
    asked = [OKX.history.time_request(hosts).headers for hosts in (live, demo, sim)]
    assert asked == [(), (("x-simulated-trading", "1"),), ()]
    assert OKX.streams.url(sim, "books") == "ws://h:1/ws/v5/public"
    with pytest.raises(BadInput, match=r"venues.okx.sim_url must be the address of a simulator"):
        OKX.hosts("sim", None)


# What is malformed

GOOD = b'{"arg":{"channel":"trades","instId":"X"},"data":[{"tradeId":"5","px":"1.00","sz":"1","side":"buy","ts":"7"}]}'
ODD = [
    b"", b"{", b"null", b"[]", b'"text"', b"\xff\xfe", b"ping", b"{}", b'{"data":[]}', b'{"event":"unheard"}',
    b'{"arg":{"channel":"unheard","instId":"X"},"data":[{}]}', b'{"arg":{"channel":"trades","instId":"X"}}',
    b'{"arg":{"channel":"trades","instId":"X"},"data":null}', b'{"arg":{"channel":"trades","instId":"X"},"data":[{}]}',
    b'{"arg":{"channel":"books","instId":"X"},"data":[{"asks":[["1"]],"bids":[],"ts":"1"}]}',
    GOOD.replace(b'"5"', b'"-5"'), GOOD.replace(b'"5"', b'"5.5"'), GOOD.replace(b'"5"', b'"9223372036854775808"'),
    GOOD.replace(b'"7"', b'""'), GOOD.replace(b'"buy"', b'"unknown"'), GOOD.replace(b'"1.00"', b"1.00"),
    GOOD.replace(b'"7"', b'"9223372036855"'), GOOD.replace(b'"sz":"1"', b'"sz":"1","count":"0"'),
]  # fmt: skip


@pytest.mark.parametrize("raw", ODD, ids=lambda raw: raw[-60:].decode(errors="replace"))
def test_a_malformed_frame_is_counted_and_costs_nothing_beside_it(raw):
    grouped = OKX.streams.group([GOOD, raw, GOOD])
    assert (grouped.malformed, len(grouped.runs["trades:X"]), grouped.controls) == ([raw], 2, [])


def test_a_push_without_rows_is_nothing():
    assert OKX.streams.group([b'{"arg":{"channel":"trades","instId":"X"},"data":[]}']) == Grouped({}, [], [], [])


@pytest.mark.parametrize("wrong", [{"px": "1e5"}, {"px": "-1"}, {"px": ""}, {"sz": "1.001"}, {"sz": "9" * 30}])
def test_a_number_that_cannot_be_is_no_trade(wrong):
    with pytest.raises(BadNumber):
        OKX.streams.trades([row(**wrong)], scale("1", inverse=False), 0)


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_no_damage_to_a_frame_stops_a_collector(data):
    """Bytes are changed, cut out and put in anywhere: what is read is a trade or a reply, the rest is counted."""
    tape, frames = scale("0.01", inverse=False, kind="span"), []
    for _ in range(3):
        raw = bytearray(GOOD)
        for _ in range(data.draw(st.integers(0, 3))):
            at = data.draw(st.integers(0, len(raw) - 1))
            raw[at : at + data.draw(st.integers(0, 3))] = data.draw(
                st.sampled_from([b"", b"0", b"9" * 20, b"-", b'"', b"{}", b"e", b"\x00", b"null", b"[", b"]"])
            )
        frames.append(bytes(raw))
    grouped = OKX.streams.group(frames)
    assert sum(map(len, grouped.runs.values())) + len(grouped.malformed) <= 3
    for name, run in grouped.runs.items():
        assert run
        for event in run:
            try:
                assert name.startswith("trades")
                assert OKX.streams.trades([event], tape, 0)[0].time % MS == 0
            except BadNumber:
                pass


def test_a_refusal_that_names_one_of_many_costs_that_one_and_a_late_reply_confirms_nothing_new():
    names = [f"trades-all:{symbol}" for symbol in ("A-B", "C-D", "NO-SUCH")]
    streams = [Stream(name, f"okx:{name}", "trade", "business") for name in names]
    session = Session(
        streams, subscribe=lambda some, request: OKX.streams.subscribe(some, request, None),
        unsubscribe=lambda some, request: OKX.streams.unsubscribe(some, request, None), watch=Watch(),
    )  # fmt: skip

    def phases() -> list[str]:
        return [one.phase.value for one in session.subscriptions.values()]

    def said(event: str, name: str, number: int) -> bytes:
        return json.dumps({"id": str(number), "event": event, "arg": symbols.argument(name), "connId": "a"}).encode()

    session.opened(1)
    said_wrong = "Wrong URL or channel:trades-all,instId:NO-SUCH doesn't exist. Please use the correct URL, ..."
    wrong = json.dumps({"id": "1", "event": "error", "code": "60018", "msg": said_wrong, "connId": "a"}).encode()
    raw = [said("subscribe", names[0], 1), wrong, said("subscribe", names[1], 1)]
    rejected = session.replied(OKX.streams.group(raw).controls, 2)
    assert ([stream.name for stream in rejected], phases()) == ([names[2]], ["confirmed", "confirmed", "rejected"])
    session.renew(names[0], 3)
    session.ticked(3)
    session.ticked(4)  # it has left and is asked for again
    session.replied(OKX.streams.group([said("unsubscribe", names[0], 2)]).controls, 5)
    assert phases()[0] == "pending"
    session.replied(OKX.streams.group([said("subscribe", names[0], 3)]).controls, 6)
    assert phases()[0] == "confirmed"


def test_usual_spellings_mean_the_spot_pair_and_the_swap_where_both_are_listed():
    known = [SPOT, SWAP, INVERSE]
    meant = {text: resolve(text, known, where="okx lists").symbol for text in (
        "BTCUSDT", "BTC-USDT", "BTC/USDT", "okx:BTC/USDT", "BTC/USDT:USDT", "btc-usdt-swap", "BTC/USD:BTC", "BTCUSD",
    )}  # fmt: skip
    spot, swap, inverse = (one.symbol for one in known)
    assert list(meant.values()) == [spot, spot, spot, spot, swap, swap, inverse, inverse]
