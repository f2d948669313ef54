"""What the simulated Coinbase writes, held against frames that the real one sent: the same keys, the same forms."""

import functools
import json
import re

import pytest
import zstandard

from gapless.sim.coinbase.advanced import wire as advanced
from gapless.sim.coinbase.day import Days, last_execution
from gapless.sim.coinbase.exchange import wire as exchange
from gapless.sim.coinbase.exchange.streams import ticker_at
from gapless.sim.coinbase.markets import CoinbaseMarkets
from gapless.sim.market import Diff

NOW = 1_767_787_200_000
FORMS = {
    "uuid": r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
    "time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z",
    "decimal": r"\d+(\.\d+)?",
    "product": r"[A-Z0-9]+-[A-Z]+",
    "side": r"buy|sell",
    "SIDE": r"BUY|SELL",
    "side of a book": r"bid|offer",
}

# Recorded live on 2026-09-29; the same trade, told twice: the taker bought, the maker sold.
LAST_MATCH = json.loads(
    '{"type":"last_match","trade_id":1099995623,"maker_order_id":"7b0e4aeb-72c1-4d36-adce-e6221ffecc05",'
    '"taker_order_id":"92906bb7-eb38-40c1-9c54-76bc1dd19ce4","side":"sell","size":"0.00004104","price":"84140.83",'
    '"product_id":"BTC-USD","sequence":136967652357,"time":"2026-09-29T13:45:58.116787Z"}'
)
TICKER = json.loads(
    '{"type":"ticker","sequence":136967652357,"product_id":"BTC-USD","price":"84140.83","open_24h":"83629.9",'
    '"volume_24h":"5667.41926850","low_24h":"82510.37","high_24h":"84557.01","volume_30d":"180889.67159800",'
    '"best_bid":"84138.41","best_bid_size":"0.02880000","best_ask":"84146.91","best_ask_size":"0.00949200",'
    '"side":"buy","time":"2026-09-29T13:45:58.116787Z","trade_id":1099995623,"last_size":"0.00004104"}'
)
HEARTBEAT = json.loads(
    '{"type":"heartbeat","last_trade_id":1099995625,"product_id":"BTC-USD","sequence":136967653778,'
    '"time":"2026-09-29T13:45:59.000000Z"}'
)


def form(value):
    """Tells what kind of value it is; of a list, what kinds its items are."""
    if isinstance(value, dict):
        return {name: form(item) for name, item in value.items()}
    if isinstance(value, list):
        return sorted({json.dumps(form(item)) for item in value})
    if isinstance(value, str):
        return next((name for name, pattern in FORMS.items() if re.fullmatch(pattern, value)), value)
    return type(value).__name__


@functools.cache
def market():
    made = CoinbaseMarkets().synthetic(1, 2, None)
    for symbol in made.symbols.values():
        symbol.warm = True
    return made


@pytest.fixture
def symbol():
    return market().symbols["ETH-USD"]


def executions(symbol, count=400):
    end = symbol.fills.pushed(NOW)
    return symbol.fills.cut(end - count, end)


def made(symbol):
    """Returns a frame of each kind, as the simulator writes it."""
    last, book = last_execution(symbol, NOW), symbol.book.at(NOW, 10_000)
    diff = symbol.book.diff(NOW - 100, NOW)
    texts = [
        next(exchange.matches(symbol, last))[2],
        next(exchange.matches(symbol, last, "last_match"))[2],
        exchange.heartbeat(symbol, last, NOW + 400),
        ticker_at(symbol, last, NOW, Days()),
        exchange.snapshot(symbol, book),
        exchange.l2update(symbol, diff),
        exchange.subscriptions({"matches": ["ETH-USD"]}),
    ]
    return {frame["type"]: frame for frame in map(json.loads, texts)}


@pytest.mark.parametrize("recorded", [LAST_MATCH, TICKER, HEARTBEAT], ids=lambda frame: frame["type"])
def test_frames_have_the_keys_and_forms_of_those_of_2026_09_29(symbol, recorded):
    assert form(made(symbol)[recorded["type"]]) == form(recorded)
    assert list(made(symbol)[recorded["type"]]) == list(recorded)


def test_exchange_frames_have_the_keys_and_forms_of_those_recorded_on_2026_09_30(symbol, data):
    mine, seen = made(symbol), set()
    for line in (data / "coinbase" / "frames_20260930.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if entry["feed"] == "exchange":
            frame = entry["frame"]
            seen.add(frame["type"])
            assert list(mine[frame["type"]]) == list(frame)
            if frame["type"] != "l2update":
                assert form(mine[frame["type"]]) == form(frame)
            else:
                assert {form(item) for change in frame["changes"] for item in change[1:]} == {"decimal"}
    assert seen == {"match", "heartbeat", "l2update"}


def recorded_2021(data):
    path = data / "coinbase" / "exchange_ten_products_20210417.ws.zst"
    text = zstandard.ZstdDecompressor().stream_reader(path.read_bytes()).read().decode()
    for line in text.splitlines():
        head, _, body = line.partition(": ")
        if body.startswith("{") and "<" not in head:
            yield json.loads(body)


def test_exchange_numbers_are_written_as_ten_products_were_in_2021(symbol, data):
    """Executions without trailing zeros, books with all digits of the increments, volumes with eight decimals."""
    listed = (data / "coinbase" / "products_20210417").read_text().splitlines()[0].partition(": ")[2]
    digits = {
        product["id"]: tuple(
            len(product[name].rstrip("0").partition(".")[2]) for name in ("quote_increment", "base_increment")
        )
        for product in json.loads(listed)
    }
    digits[symbol.name] = (symbol.price.digits, symbol.size.digits)
    kinds = set()
    for frame in [*recorded_2021(data), *made(symbol).values()]:
        kinds.add(frame["type"])
        if frame["type"] in ("match", "last_match"):
            for text in (frame["price"], frame["size"]):
                assert "." not in text or text[-1] not in "0."
        elif frame["type"] == "ticker":
            assert all(len(frame[name].partition(".")[2]) == 8 for name in ("volume_24h", "volume_30d"))
            best = [frame["best_bid"], frame["best_ask"]]
            assert {len(text.partition(".")[2]) for text in best} == {digits[frame["product_id"]][0]}
        elif frame["type"] in ("snapshot", "l2update"):
            rows = [change[1:] for change in frame.get("changes", [])] + frame.get("bids", []) + frame.get("asks", [])
            places = {tuple(len(text.partition(".")[2]) for text in row) for row in rows}
            sizes = {places_of[1] for places_of in places}
            assert {places_of[0] for places_of in places} <= {digits[frame["product_id"]][0]}
            assert sizes <= {digits[frame["product_id"]][1], 8}
    assert {"match", "last_match", "ticker", "snapshot", "l2update"} <= kinds


def test_matches_tell_the_makers_side_and_tickers_the_takers(symbol):
    """As the frames of 2026-09-29 prove: one trade, two sides."""
    assert LAST_MATCH["trade_id"] == TICKER["trade_id"]
    assert (LAST_MATCH["side"], TICKER["side"]) == ("sell", "buy")
    rows = executions(symbol)
    days = Days()
    sides = set()
    for position in range(0, len(rows), 10):
        row = rows.cut(position, position + 1)
        match = json.loads(next(exchange.matches(symbol, row))[2])
        ticker = json.loads(ticker_at(symbol, row, NOW, days))
        trade = json.loads(advanced.trade_rows(symbol, symbol.name, row, taker=False)[0])
        other = json.loads(advanced.trade_rows(symbol, symbol.name, row, taker=True)[0])
        assert (match["trade_id"], match["sequence"]) == (ticker["trade_id"], ticker["sequence"])
        assert match["side"] == trade["side"].lower() == {"buy": "sell", "sell": "buy"}[ticker["side"]]
        assert other["side"].lower() == ticker["side"]
        assert match["side"] == ("buy" if row.maker[0] else "sell")
        sides.add(match["side"])
    assert sides == {"buy", "sell"}


def test_both_surfaces_tell_the_same_trade_to_the_microsecond(symbol):
    rows = executions(symbol)
    stream = {frame["trade_id"]: frame for _, _, text in exchange.matches(symbol, rows) for frame in [json.loads(text)]}
    rest = {row["trade_id"]: row for row in json.loads(exchange.trades(symbol, rows))}
    other = {
        int(row["trade_id"]): row for row in map(json.loads, advanced.trade_rows(symbol, "ETH-USD", rows, taker=False))
    }
    assert stream.keys() == rest.keys() == other.keys()
    for number, frame in stream.items():
        assert rest[number]["time"] == frame["time"]
        assert other[number]["time"].rstrip("Z").ljust(26, "0") == frame["time"].rstrip("Z")
        assert float(rest[number]["price"]) == float(frame["price"]) == float(other[number]["price"])
        assert float(rest[number]["size"]) == float(frame["size"]) == float(other[number]["size"])
        assert rest[number]["side"] == frame["side"] == other[number]["side"].lower()
    instants = [stream[number]["time"] for number in sorted(stream)]
    assert instants == sorted(instants)
    assert len({text[-7:] for text in instants}) > 50


def test_advanced_frames_have_the_keys_and_forms_of_recorded_ones(symbol, data):
    rows = executions(symbol, 3)
    trades = advanced.trades("update", advanced.trade_rows(symbol, symbol.name, rows, taker=False))
    diff = Diff(0, 0, 0, NOW, symbol.book.at(NOW, 2).bids, symbol.book.at(NOW, 2).asks)
    mine = {
        ("market_trades", "update"): trades,
        ("l2_data", "snapshot"): advanced.book_snapshot(symbol, symbol.book.at(NOW, 5)),
        ("l2_data", "update"): advanced.book_update(symbol, diff),
        ("l2_data", "nothing"): advanced.nothing_new(symbol),
        ("subscriptions", ""): advanced.subscriptions({"level2": ["BTC-USD"]}),
    }
    frames = [
        json.loads(line) for line in (data / "coinbase" / "advanced_level2_20260824.jsonl").read_text().splitlines()
    ]
    lines = (data / "coinbase" / "frames_20260930.jsonl").read_text().splitlines()
    frames += [entry["frame"] for entry in map(json.loads, lines) if entry["feed"] == "advanced"]
    seen = set()
    for frame in frames:
        event = frame["events"][0]
        kind = event.get("type", "")
        kind = "nothing" if kind == "update" and not event.get("updates", True) else kind
        written = json.loads(advanced.frame(frame["channel"], NOW, 7, mine[frame["channel"], kind]))
        assert list(written) == list(frame)
        assert list(written["events"][0]) == list(event)
        assert form(written) == form(frame)
        seen.add((frame["channel"], kind))
    assert seen == mine.keys()


def test_advanced_numbers_end_in_no_zero(symbol):
    rows = advanced.trade_rows(symbol, symbol.name, executions(symbol), taker=False)
    texts = [row[name] for row in map(json.loads, rows) for name in ("price", "size")]
    assert not [text for text in texts if "." in text and text[-1] in "0."]
    assert not [row["time"] for row in map(json.loads, rows) if re.search(r"0Z$", row["time"])]
    assert {len(text.partition(".")[2]) for text in texts} >= {1, 2, 7, 8}
