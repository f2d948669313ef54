"""REST of the simulated Coinbase: cursors and windows that lose nothing, candles that are folds, refusals."""

import functools
import json
from datetime import datetime
from decimal import Decimal
from functools import partial

import pytest
from multidict import CIMultiDict, MultiDict

from gapless.sim.coinbase.advanced.rest import Endpoints as Advanced
from gapless.sim.coinbase.exchange.rest import Endpoints as Exchange
from gapless.sim.coinbase.markets import CoinbaseMarkets
from gapless.sim.faults.engine import Faults
from gapless.sim.faults.script import Entry
from gapless.sim.journal import Journal
from gapless.sim.pages import Spoiler
from gapless.sim.venue import Ask, Refusal

NOW = 1_767_787_200_000 + 7 * 60_000 + 12_345
ETH = "ETH-USD"
THIN = 26  # the last of so many products trades less than twice a minute


@functools.cache
def market(count=2):
    made = CoinbaseMarkets().synthetic(1, count, None)
    for symbol in made.symbols.values():
        symbol.warm = True
    return made


def asked(surface, path, now=NOW, *, split=False, key=None, **params):
    """Asks a surface; returns status, body and the headers that are the reply's own."""
    headers = CIMultiDict({"CB-ACCESS-KEY": key} if key else {})
    ask = Ask(path, MultiDict({name: str(value) for name, value in params.items()}), headers, now, now, split)
    try:
        text = surface.find(path).answer(ask)
    except Refusal as refusal:
        body = refusal.reply.body.decode()
        return refusal.reply.status, json.loads(body) if body.startswith("{") else body, {}
    return 200, json.loads(text, parse_float=Decimal), ask.told


def exchange(path, way="newest", count=2, **options):
    return asked(Exchange(market(count), lambda: NOW, way), path, **options)


def advanced(path, page=1000, **options):
    surface = Advanced(market(), lambda: NOW, "sim-key", page=page, candles=350, taker=False)
    return asked(surface, "/api/v3/brokerage" + path, **options)


def seconds_of(text):
    return datetime.fromisoformat(text).timestamp()


def trades_of(name, first, last, **options):
    """Walks from newest to oldest with `after`, as every client can."""
    rows, after = [], last + 1
    while after > first:
        _, page, told = exchange(f"/products/{name}/trades", limit=1000, after=after, **options)
        assert [int(told["CB-BEFORE"]), int(told["CB-AFTER"])] == [page[0]["trade_id"], page[-1]["trade_id"]]
        rows += page
        after = int(told["CB-AFTER"])
    return [row for row in reversed(rows) if row["trade_id"] >= first]


def test_to_walk_back_by_cursor_loses_no_trade():
    newest = exchange(f"/products/{ETH}/trades", limit=1)[1][0]["trade_id"]
    rows = trades_of(ETH, newest - 2_500, newest)
    assert [row["trade_id"] for row in rows] == list(range(newest - 2_500, newest + 1))
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)


def test_a_page_has_at_most_a_thousand_trades():
    assert len(exchange(f"/products/{ETH}/trades")[1]) == 1000
    assert len(exchange(f"/products/{ETH}/trades", limit=5_000)[1]) == 1000
    assert exchange(f"/products/{ETH}/trades", limit="x")[0] == 400


def test_before_gives_the_newest_page_or_the_adjacent_one():
    newest = exchange(f"/products/{ETH}/trades", limit=1)[1][0]["trade_id"]
    ids = {
        way: [row["trade_id"] for row in exchange(f"/products/{ETH}/trades", way, before=newest - 50, limit=10)[1]]
        for way in ("newest", "adjacent")
    }
    assert ids["newest"] == list(range(newest, newest - 10, -1))
    assert ids["adjacent"] == list(range(newest - 40, newest - 50, -1))
    both = exchange(f"/products/{ETH}/trades", before=newest - 50, after=newest - 45)[1]
    assert [row["trade_id"] for row in both] == [newest - 46, newest - 47, newest - 48, newest - 49]


def test_candles_are_the_folds_of_the_trades_and_minutes_without_any_are_left_out():
    end = NOW // 60_000 * 60
    thin = list(market(THIN).symbols)[-1]
    span = {"granularity": 60, "start": end - 3_600, "end": end - 60}
    status, rows, _ = exchange(f"/products/{thin}/candles", count=THIN, **span)
    assert status == 200
    starts = [row[0] for row in rows]
    assert starts == sorted(starts, reverse=True)
    folds = {}
    newest = exchange(f"/products/{thin}/trades", count=THIN, limit=1)[1][0]["trade_id"]
    for row in trades_of(thin, newest - 400, newest, count=THIN):
        minute = int(seconds_of(row["time"])) // 60 * 60
        price, size = Decimal(row["price"]), Decimal(row["size"])
        known = folds.setdefault(minute, [minute, price, price, price, price, Decimal(0)])
        known[1], known[2], known[4] = min(known[1], price), max(known[2], price), price
        known[5] += size
    assert rows == [folds[start] for start in starts]
    assert 0 < len(rows) < 60
    assert set(starts) == {minute for minute in folds if end - 3_600 <= minute <= end - 60}


def test_candles_reach_over_three_hundred_intervals_and_no_further():
    assert exchange(f"/products/{ETH}/candles", granularity=60, start=1_767_780_000, end=1_767_798_000)[0] == 200
    status, body, _ = exchange(f"/products/{ETH}/candles", granularity=60, start=1_767_780_000, end=1_767_798_060)
    assert status == 400
    assert body == {
        "message": "granularity too small for the requested time range. Count of aggregations requested exceeds 300"
    }
    assert len(exchange(f"/products/{ETH}/candles")[1]) == 300
    only_start = exchange(f"/products/{ETH}/candles", granularity=300, start="2026-01-07T10:00:00Z")[1]
    assert only_start == exchange(f"/products/{ETH}/candles", granularity=300)[1]
    given = exchange(
        f"/products/{ETH}/candles", granularity=900, start="2026-01-07T10:00:00Z", end="2026-01-07T11:00:00"
    )
    assert [row[0] for row in given[1]] == [1_767_783_600 - 900 * i for i in range(5)]


@pytest.mark.parametrize(
    ("path", "params", "status", "message"),
    [
        ("/products/NO-USD/trades", {}, 404, "NotFound"),
        ("/products/BTC-USDC", {}, 404, "NotFound"),
        (f"/products/{ETH}/candles", {"granularity": 120}, 400, "Unsupported granularity"),
        (f"/products/{ETH}/candles", {"start": "now", "end": "then"}, 400, "Invalid start"),
        (f"/products/{ETH}/book", {"level": 4}, 400, "unexpected level: _"),
    ],
)
def test_errors_of_the_exchange_have_a_message(path, params, status, message):
    assert exchange(path, **params)[:2] == (status, {"message": message})


def test_products_have_the_keys_of_the_real_list(data):
    real = json.loads((data / "coinbase" / "products_20241129.json").read_text())
    assert {frozenset(row) for row in exchange("/products")[1]} == {frozenset(row) for row in real}
    kinds = {(name, type(value)) for row in real for name, value in row.items()}
    assert {(name, type(value)) for row in exchange("/products")[1] for name, value in row.items()} <= kinds
    assert exchange(f"/products/{ETH}")[1] in exchange("/products")[1]


def test_a_window_of_advanced_trades_is_whole_seconds_with_both_ends():
    start = NOW // 1000 - 40
    _, body, _ = advanced(f"/market/products/{ETH}/ticker", limit=1000, start=start, end=start + 9)
    rows = [(int(row["trade_id"]), int(seconds_of(row["time"]))) for row in body["trades"]]
    newest = exchange(f"/products/{ETH}/trades", limit=1)[1][0]["trade_id"]
    every = [(row["trade_id"], int(seconds_of(row["time"]))) for row in trades_of(ETH, newest - 900, newest)]
    assert rows == [row for row in reversed(every) if start <= row[1] <= start + 9]
    assert {start, start + 9} <= {second for _, second in rows}


def test_a_page_of_advanced_trades_is_capped_without_a_word():
    window = {"start": NOW // 1000 - 600, "end": NOW // 1000}
    whole = advanced(f"/market/products/{ETH}/ticker", limit=1000, **window)[1]["trades"]
    capped = advanced(f"/market/products/{ETH}/ticker", page=100, limit=1000, **window)[1]["trades"]
    assert len(whole) > 100
    assert capped == whole[:100]
    assert len(advanced(f"/market/products/{ETH}/ticker", limit=7)[1]["trades"]) == 7


def test_a_split_page_breaks_off_between_trades_of_one_instant():
    window = {"start": NOW // 1000 - 60, "end": NOW // 1000}
    whole = advanced("/market/products/BTC-USD/ticker", limit=1000, **window)[1]["trades"]
    part = advanced("/market/products/BTC-USD/ticker", limit=1000, split=True, **window)[1]["trades"]
    assert part == whole[: len(part)]
    assert part[-1]["time"] == whole[len(part)]["time"]


def test_both_surfaces_have_the_same_candles_and_aliases_are_the_dollars_book():
    end = NOW // 60_000 * 60
    span = {"start": end - 600, "end": end - 60}
    mine = exchange(f"/products/{ETH}/candles", granularity=60, **span)[1]
    for name in (ETH, "ETH-USDC"):
        rows = advanced(f"/market/products/{name}/candles", granularity="ONE_MINUTE", **span)[1]["candles"]
        names = ("start", "low", "high", "open", "close", "volume")
        assert [[Decimal(row[key]) for key in names] for row in rows] == mine
    trade = advanced("/market/products/ETH-USDC/ticker", limit=1)[1]["trades"][0]
    assert trade["product_id"] == "ETH-USDC"
    assert int(trade["trade_id"]) == exchange(f"/products/{ETH}/trades", limit=1)[1][0]["trade_id"]
    product = advanced("/market/products/ETH-USDC")[1]
    assert (product["product_id"], product["alias"], product["quote_currency_id"]) == ("ETH-USDC", ETH, "USDC")


@pytest.mark.parametrize(
    ("path", "params", "status"),
    [
        ("/market/products/NO-USD", {}, 404),
        ("/market/products/ETH-USD/ticker", {}, 400),
        ("/market/products/ETH-USD/ticker", {"limit": 1001}, 500),
        ("/market/products/ETH-USD/candles", {"granularity": "ONE_MINUTE", "start": 0, "end": 350 * 60}, 400),
        ("/market/products/ETH-USD/candles", {"granularity": "TWO_MINUTE", "start": 0, "end": 60}, 400),
    ],
)
def test_errors_of_advanced_name_their_kind(path, params, status):
    got, body, _ = advanced(path, **params)
    assert got == status
    assert body.keys() == {"error", "error_details", "message"}


def test_the_list_of_advanced_is_filtered_and_the_private_one_wants_a_key():
    body = advanced("/market/products")[1]
    assert body["num_products"] == len(body["products"]) == 4
    assert [row["product_id"] for row in advanced("/market/products", product_ids="BTC-USDC")[1]["products"]] == [
        "BTC-USDC"
    ]
    assert advanced("/market/products", product_type="FUTURE")[1]["products"] == []
    assert [row["product_id"] for row in advanced("/market/products", limit=1, offset=1)[1]["products"]] == [ETH]
    assert advanced("/products") == (401, "Unauthorized\n", {})
    assert advanced("/products", key="sim-key")[1] == body
    book = advanced("/market/product_book", product_id=ETH, limit=5)[1]["pricebook"]
    assert len(book["bids"]) == 5
    assert Decimal(book["bids"][0]["price"]) < Decimal(book["asks"][0]["price"])


def spoilt(surface, path, given, mode, **other):
    """Asks once, then again (or with `other` parameters) while a fault is due; returns the three pages."""
    faults = Faults([], Journal(None), active=True)
    spoiler, endpoint = Spoiler(surface.history(), faults), surface.find(path)
    serve = partial(spoiler.page, endpoint.family)
    first = Ask(path, given, {}, NOW, NOW)
    assert serve(first, endpoint.answer(first), endpoint.answer) == (endpoint.answer(first), None)
    faults.pending.append(Entry("wrong_page", mode=mode))
    second = Ask(path, {**given, **other}, {}, NOW, NOW)
    wrong, kind = serve(second, endpoint.answer(second), endpoint.answer)
    assert kind == mode
    assert serve(second, endpoint.answer(second), endpoint.answer) == (endpoint.answer(second), None)
    pages = [json.loads(text) for text in (endpoint.answer(first), endpoint.answer(second), wrong)]
    return pages if isinstance(pages[0], list) else [next(iter(page.values())) for page in pages]


def key_of(row):
    return str(row[0]) if isinstance(row, list) else str(row.get("trade_id", row.get("start")))


@pytest.mark.parametrize("venue", ["coinbase", "coinbase-advanced"])
@pytest.mark.parametrize("mode", ["outside", "repeat", "other", "bars"])
def test_wrong_pages_are_of_other_ids_the_page_before_or_another_product(venue, mode):
    times = {"start": str(NOW // 1000 - 600), "end": str(NOW // 1000 - 300)}
    if venue == "coinbase":
        surface, stem, trades, bars = Exchange(market(), lambda: NOW, "newest"), "", "/trades", {"granularity": "60"}
        newest = exchange(f"/products/{ETH}/trades", limit=1)[1][0]["trade_id"]
        pages = {"after": str(newest - 100), "limit": "50"}
    else:
        surface = Advanced(market(), lambda: NOW, "", page=1000, candles=350, taker=False)
        stem, trades, bars = "/api/v3/brokerage/market", "/ticker", {"granularity": "ONE_MINUTE"}
        pages = {"limit": "50", **times}
    path = f"{stem}/products/{ETH}{'/candles' if mode == 'bars' else trades}"
    given, other = ({**bars, **times}, {}) if mode == "bars" else (pages, {"limit": "20"} if mode == "repeat" else {})
    before, right, wrong = spoilt(surface, path, given, mode, **other)
    assert wrong
    assert wrong != right
    assert (wrong == before) == (mode == "repeat")
    if mode in ("outside", "bars"):
        assert not set(map(key_of, wrong)) & set(map(key_of, right))
    if mode == "other":
        assert float(wrong[0]["price"]) > 10 * float(right[0]["price"])


def test_what_the_venue_has_forgotten_no_page_shows():
    symbol = CoinbaseMarkets().synthetic(3, 1, None)
    surface = Exchange(symbol, lambda: NOW, "newest")
    newest = asked(surface, "/products/BTC-USD/trades", limit=1)[1][0]["trade_id"]
    symbol.symbols["BTC-USD"].forgotten_fills.append((newest - 5, newest - 2))
    rows = asked(surface, "/products/BTC-USD/trades", limit=4)[1]
    assert [row["trade_id"] for row in rows] == [newest, newest - 1, newest - 6, newest - 7]
