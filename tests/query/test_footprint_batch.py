"""Many footprints at once: the same as one by one, in the order asked, and one that fails costs no other."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serving import served
from tapes import ID, T0, Book, trade

import gapless
from gapless.cli.app import run
from gapless.cli.batch import read_items
from gapless.errors import BadInput
from gapless.model import HOUR, MINUTE, SECOND, iso, parse_timeframe
from gapless.query.footprint import footprint
from gapless.query.footprint_batch import Item, footprint_batch
from gapless.query.footprint_rows import footprint_object
from gapless.query.market import Market

FRAMES = ("1m", "7m", "60m", "90m", "4h", "1d", "1w")
TIMED = ("elapsed_ms",)


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Book:
    """Five hours of a trade every 20 s, with a hole of ten minutes."""
    rows = [trade(n + 1, n * 20 * SECOND, 100 + n * 7_919 % 53, 1 + n % 5, (1, -1, 0)[n % 3]) for n in range(900)]
    book = Book(path=str(tmp_path_factory.mktemp("batch") / "tape.db"))
    book.trades([trade(0, -SECOND), *rows[:300]])
    book.trades(rows[330:])
    return book


@pytest.fixture(scope="module")
def market(book: Book) -> Market:
    return Market(book.store)


def plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("index", "id", "outcome", "error", "elapsed_ms")}


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.sampled_from(FRAMES), st.integers(-30, 330)), min_size=1, max_size=30))
def test_a_batch_is_what_each_would_be_alone_in_the_order_asked(market: Market, asked: list[tuple[str, int]]) -> None:
    answer = footprint_batch(market, [Item(ID, frame, iso(T0 + at * MINUTE)) for frame, at in asked])
    assert [row["index"] for row in answer["results"]] == list(range(len(asked)))
    found = market.instrument(ID)
    for (text, at), row in zip(asked, answer["results"], strict=True):
        frame = parse_timeframe(text)
        alone = footprint(market, found, frame, T0 + at * MINUTE)
        assert plain(row) == plain(footprint_object(alone, found, timeframe=frame))


def test_every_item_has_its_outcome_and_no_failure_costs_the_others(market: Market) -> None:
    items = [
        Item(ID, "5m", iso(T0)),
        Item("binance:NOSUCH", "5m", iso(T0)),
        Item(ID, "5y", iso(T0)),
        Item(ID, "5m", "soon"),
        Item(ID, "60m", iso(T0 + HOUR)),
        Item(ID, "5m", T0 - 10 * HOUR),
    ]
    heard: list[tuple[int, int]] = []
    answer = footprint_batch(market, items, progress=lambda done, total: heard.append((done, total)))
    assert [row["outcome"] for row in answer["results"]] == [
        "held", "failed", "failed", "failed", "partial", "missing",
    ]  # fmt: skip
    assert (answer["requested"], answer["successful"], answer["failed"]) == (6, 1, 5)
    errors = [row["error"] for row in answer["results"]]
    assert errors[0] is None
    assert "the store holds no instrument 'binance:NOSUCH'" in errors[1]
    assert "'5y' is no timeframe" in errors[2]
    assert errors[4].startswith("not held whole: 2026-01-07T13:")
    assert answer["results"][4]["trades"] > 0
    assert heard == sorted(heard)
    assert heard[-1] == (6, 6)


@pytest.mark.parametrize("frame", [parse_timeframe(text) for text in FRAMES] + [parse_timeframe("7m", "epoch")])
def test_ranges_of_bars_are_those_of_their_folded_candles(market: Market, frame: Any) -> None:
    start, end = T0 - 24 * HOUR, T0 + 6 * HOUR
    bars = market.candles(market.instrument(ID), frame, start=frame.start_of(start), end=end)
    newest = market.reader.newest_candle(ID)
    assert newest
    until = frame.start_of(newest.start + MINUTE)
    ranges = market.reader.ranges(ID, frame.start_of(start), until, frame)
    assert ranges == [row.high - row.low for row in bars.rows if row.high is not None and row.trades]


# Faces


def test_python_and_http_answer_alike_and_tell_progress(book: Book) -> None:
    asked = [(ID, "5m", iso(T0)), (ID, "60m", iso(T0 + HOUR)), ("NOSUCH", "5m", iso(T0))]
    with gapless.open(book.store.path) as stored, served(book.store.path) as url, gapless.open(url) as running:
        heard: list[int] = []
        one = stored.footprint_batch(asked)
        other = running.footprint_batch(asked, progress=lambda done, total: heard.append(done))
        assert [(item.outcome, item.error) for item in one.results] == [(i.outcome, i.error) for i in other.results]
        assert (one.requested, one.successful, one.failed) == (other.requested, other.successful, other.failed)
        assert one.results[0].footprint.rows == other.results[0].footprint.rows
        assert other.results[2].footprint is None
        assert heard == [1, 2, 3]
        with pytest.raises(BadInput, match="a store fetches nothing"):
            stored.footprint_batch(asked, fetch=True)
        refused = running.footprint_batch(asked[1:2], fetch=True).results[0]
        assert (refused.outcome, refused.error.rpartition("; ")[2]) == (
            "partial", "binance is not collected by this run",
        )  # fmt: skip


def test_the_command_reads_csv_and_json_and_counts(book: Book, tmp_path: Path, capsys: Any) -> None:
    csv, lines = tmp_path / "items.csv", tmp_path / "items.jsonl"
    csv.write_text(f"id,timeframe,start\n{ID}, 5m, {iso(T0)}\n\n{ID},5m,-1000000h\n")
    lines.write_text(json.dumps({"id": ID, "timeframe": "5m", "start": T0 // 1_000_000}) + "\n")
    assert run(["footprint", "--batch", str(csv), "--store", book.store.path]) == 1
    table = capsys.readouterr().out.splitlines()
    assert table[-1] == "2 asked for, 1 whole, 1 not"
    assert run(["footprint", "--batch", str(lines), "--store", book.store.path, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["successful"], found["results"][0]["outcome"]) == (1, "held")
    assert read_items(str(lines)) == [Item(ID, "5m", T0 // 1_000_000)]
    for wrong, text in (("5m\n", "line 1 of"), ("{}\n", "line 1 of")):
        csv.write_text(wrong)
        assert run(["footprint", "--batch", str(csv), "--store", book.store.path]) == 2
        assert text in capsys.readouterr().err
    assert run(["footprint", ID, "5m", "--batch", str(csv), "--store", book.store.path]) == 2
    assert "--batch goes alone" in capsys.readouterr().err
