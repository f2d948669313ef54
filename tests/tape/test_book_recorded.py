"""The order book on recorded markets; the oracle is the venue's own best bid and ask, streamed beside the diffs."""

import gzip
import json
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from msgspec.structs import replace

from gapless.model.book import BookEvent, BookState, DepthDiff, DepthSnapshot
from gapless.model.number import scaled
from gapless.tape.book import Book

DIGITS = 8
LINKED = ("binance-usdm/btcusdt_20240808.raw.gz",)
COUNTED = ("binance-spot/btcusdt_20240808.raw.gz", "binance-spot/btcusdt_20240809.raw.gz")
SYMBOLS = ("SUSHIUSDT", "AKROUSDT", "KEEPUSDT", "CTKUSDT")


class Recording(NamedTuple):
    diffs: list[DepthDiff]
    quotes: dict[int, tuple]
    snapshot: DepthSnapshot


def levels(pairs) -> list[tuple[int, int]]:
    return [(scaled(price, DIGITS), scaled(size, DIGITS)) for price, size in pairs]


def diff_from(data) -> DepthDiff:
    time = data.get("T", data["E"]) * 1_000_000
    return DepthDiff(data["U"], data["u"], data.get("pu"), time, levels(data["b"]), levels(data["a"]))


def snapshot_from(data) -> DepthSnapshot:
    return DepthSnapshot(data["lastUpdateId"], 0, levels(data["bids"]), levels(data["asks"]), limit=1_000)


def quote_from(data) -> tuple:
    return levels([(data["b"], data["B"])])[0], levels([(data["a"], data["A"])])[0]


def recording(frames, snapshot) -> Recording:
    diffs, quotes = [], {}
    for frame in frames:
        if "@depth" in frame["stream"]:
            diffs.append(diff_from(frame["data"]))
        elif frame["stream"].endswith("@bookTicker"):
            quotes[frame["data"]["u"]] = quote_from(frame["data"])
    return Recording(diffs, dict(sorted(quotes.items())), snapshot_from(snapshot))


@cache
def one_symbol(folder: Path, files: tuple[str, ...]) -> Recording:
    messages = [
        json.loads(line.partition(b" ")[2])
        for name in files
        for line in gzip.decompress((folder / name).read_bytes()).splitlines()
    ]
    (snapshot,) = (message for message in messages if "lastUpdateId" in message)
    return recording((message for message in messages if "stream" in message), snapshot)


@cache
def four_symbols(folder: Path, symbol: str) -> Recording:
    frames = []
    for line in (folder / "binance-usdm/four_symbols_20210722.ws.1.0").read_text().splitlines():
        stamp, _, payload = line.partition(": ")
        if stamp.replace(".", "").isdigit() and f'"{symbol.lower()}@' in payload:
            frames.append(json.loads(payload))
    for line in (folder / "binance-usdm/four_symbols_20210722.http.0.0").read_text().splitlines():
        if f"/depth?symbol={symbol}&" in line:
            return recording(frames, json.loads(line.partition(": ")[2]))
    raise AssertionError(f"no snapshot of {symbol}")


def compare(recorded: Recording, book: Book, *, first: int = 0) -> tuple[int, int, list]:
    """Feed a live book and compare it after every diff with the newest quote up to that id.

    Returns how many comparisons were made of whole books and of one known side, and all differences.
    """
    quotes, whole, half, wrong = list(recorded.quotes.items()), 0, 0, []
    newest, index = None, 0
    for diff in recorded.diffs[first:]:
        event = book.diff(diff)
        if event is BookEvent.IGNORED:
            continue
        assert event in {BookEvent.APPLIED, BookEvent.EXHAUSTED}
        while index < len(quotes) and quotes[index][0] <= diff.last:
            newest, index = quotes[index][1], index + 1
        if newest is None:
            continue
        shown = book.best()
        assert (None in shown) == (event is BookEvent.EXHAUSTED)
        whole, half = whole + (None not in shown), half + (None in shown)
        if any(ours is not None and ours != theirs for ours, theirs in zip(shown, newest, strict=True)):
            wrong.append((diff.last, shown, newest))
    return whole, half, wrong


@pytest.mark.parametrize(
    ("files", "whole", "half"), [(LINKED, 5_824, 722), (COUNTED, 5_574, 918)], ids=["linked", "counted"]
)
def test_the_best_bid_and_ask_equal_the_venues_own_after_every_diff(real_data, files, whole, half):
    recorded = one_symbol(real_data, files)
    book = Book()
    before = [diff for diff in recorded.diffs if diff.first <= recorded.snapshot.last]
    for diff in before:
        assert book.diff(diff) is BookEvent.BUFFERED
    assert book.snapshot(recorded.snapshot) is BookEvent.JOINED
    compared = compare(recorded, book, first=len(before))
    assert compared == (whole, half, [])
    assert book.last == recorded.diffs[-1].last


def test_a_level_that_the_snapshot_did_not_show_would_have_given_a_wrong_best_bid(real_data):
    recorded = one_symbol(real_data, COUNTED)
    naive = Book()
    naive.snapshot(replace(recorded.snapshot, limit=None))
    _, _, wrong = compare(recorded, naive)
    assert [last for last, *_ in wrong] == [50093478174, 50093480542]


@pytest.mark.parametrize("files", [LINKED, COUNTED], ids=["linked", "counted"])
def test_quotes_of_the_very_same_update_show_the_same_prices_and_sizes(real_data, files):
    recorded = one_symbol(real_data, files)
    book, same = Book(), 0
    book.snapshot(recorded.snapshot)
    for diff in recorded.diffs:
        applied = book.diff(diff) is BookEvent.APPLIED
        if applied and diff.last in recorded.quotes:
            assert book.best() == recorded.quotes[diff.last]
            same += 1
    assert same > 500


@pytest.mark.parametrize("files", [LINKED, COUNTED], ids=["linked", "counted"])
def test_each_single_lost_diff_is_noticed_at_the_next(real_data, files):
    diffs = one_symbol(real_data, files).diffs
    unnoticed = []
    for (before, lost), after in zip(pairwise(diffs), diffs[2:], strict=False):
        book = Book()
        book.snapshot(DepthSnapshot(before.last, 0, [], []))
        if book.diff(after) is not BookEvent.GAP:
            unnoticed.append(lost.last)
    assert unnoticed == []


def test_a_snapshot_that_lags_the_stream_renews_a_book_that_the_price_has_left(real_data):
    recorded = one_symbol(real_data, LINKED)
    venue, book = Book(), Book()
    venue.snapshot(replace(recorded.snapshot, limit=None))
    book.snapshot(recorded.snapshot)
    exhausted = next(i for i, diff in enumerate(recorded.diffs) if book.diff(diff) is BookEvent.EXHAUSTED)
    for diff in recorded.diffs[: exhausted - 19]:
        venue.diff(diff)
    lagging = DepthSnapshot(venue.last, 0, *venue.top(1_000), limit=1_000)
    assert None in book.best()
    assert book.snapshot(lagging) is BookEvent.JOINED
    assert book.last == recorded.diffs[exhausted].last
    assert compare(recorded, book, first=exhausted + 1) == (len(recorded.diffs) - exhausted - 1, 0, [])


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_a_chain_joins_a_snapshot_that_arrives_among_its_diffs(real_data, symbol):
    recorded = four_symbols(real_data, symbol)
    book = Book()
    before = [diff for diff in recorded.diffs if diff.first <= recorded.snapshot.last]
    for diff in before:
        book.diff(diff)
    assert before
    assert book.snapshot(recorded.snapshot) is BookEvent.JOINED
    whole, half, wrong = compare(recorded, book, first=len(before))
    assert (half, wrong) == (0, [])
    assert whole > 0
    assert book.state is BookState.LIVE
