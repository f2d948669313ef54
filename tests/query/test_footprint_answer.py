"""Footprints from stored minutes: the same as from the trades, whatever the bar, and honest about what is not held."""

import csv
import gzip
import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tapes import ID, T0, Book, bars_of, trade

from gapless.collect.importing import import_file
from gapless.derive.footprint import footprint_of
from gapless.derive.ladder import ladder_of
from gapless.errors import UnknownName
from gapless.model import MINUTE, SECOND, Evidence, Proof, State, Timeframe, parse_timeframe
from gapless.query.footprint import footprint, footprint_answer, footprints, typical_ticks_per_row
from gapless.query.market import Market
from gapless.store.sqlite import SqliteStore
from gapless.venues.registry import venue

FIVE = Timeframe(5)


def many(minutes: int, seed: int = 1):
    """Make five trades a minute, walking over prices, some without a side."""
    rows = []
    for n in range(minutes * 5):
        mix = (n * 7_919 + seed * 104_729) % 1_009
        rows.append(
            trade(n + 1, n * 12 * SECOND + SECOND, 100 + mix % 23, mix % 7 + 1, (1, -1, 0)[mix % 3], mix % 2 + 1)
        )
    return rows


def market_of(rows, **kwargs) -> tuple[Book, Market]:
    book = Book()
    book.trades([trade(0, -SECOND, 100), *rows], **kwargs)
    return book, Market(book.store)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 60), st.integers(0, 59), st.integers(0, 5), st.sampled_from([1, 2, 5, 50]))
def test_a_footprint_from_stored_minutes_equals_that_of_the_trades(minutes, at, seed, ticks):
    rows = [trade(0, -SECOND, 100), *many(61, seed)]
    _, market = market_of(rows[1:])
    bar = footprint(market, market.instrument(ID), Timeframe(minutes), T0 + at * MINUTE, ticks_per_row=ticks)
    inside = [row for row in rows if bar.start <= row.time < bar.end]
    direct = footprint_of(ladder_of(inside), tick=1, ticks_per_row=ticks, close=inside[-1].price)
    assert bar.footprint == direct
    assert (bar.open, bar.close) == (inside[0].price, inside[-1].price)
    assert (bar.high, bar.low) == (max(r.price for r in inside), min(r.price for r in inside))
    assert bar.footprint.volume == sum(r.size for r in inside)
    assert bar.footprint.ask == sum(r.size for r in inside if r.side > 0)
    if bar.start >= T0 and bar.end <= T0 + 60 * MINUTE:
        assert (bar.state, bar.proof, bar.missing) == (State.TRADED, Proof.PROVEN, [])


def test_any_time_inside_a_bar_names_it():
    _, market = market_of(many(12))
    found = market.instrument(ID)
    bars = [footprint(market, found, FIVE, T0 + at) for at in (5 * MINUTE, 7 * MINUTE, 10 * MINUTE - 1)]
    assert [bar.start for bar in bars] == [T0 + 5 * MINUTE] * 3
    assert bars[0].footprint == bars[1].footprint == bars[2].footprint


def test_the_forming_bar_holds_its_closed_minutes_and_the_trades_so_far():
    rows = many(8)[:-2]
    _, market = market_of(rows)
    bar = footprint(market, market.instrument(ID), FIVE, T0 + 6 * MINUTE, ticks_per_row=1)
    inside = [row for row in rows if row.time >= T0 + 5 * MINUTE]
    assert bar.footprint == footprint_of(ladder_of(inside), tick=1, ticks_per_row=1, close=inside[-1].price)
    assert (bar.state, bar.proof, bar.missing) == (State.OPEN, Proof.PARTIAL, [])


def test_a_bar_beyond_what_is_held_is_missing():
    _, market = market_of(many(8))
    found = market.instrument(ID)
    for at in (-60 * MINUTE, 60 * MINUTE):
        bar = footprint(market, found, FIVE, T0 + at)
        assert (bar.state, bar.proof, bar.footprint.rows) == (State.MISSING, Proof.MISSING, ())
    assert footprint(market, found, FIVE, T0 - 60 * MINUTE).missing == [(T0 - 60 * MINUTE, T0 - 55 * MINUTE)]


def test_minutes_made_stale_by_growing_digits_are_formed_again_from_their_trades():
    book, market = market_of(many(6))
    found = market.instrument(ID)
    before = footprint(market, found, FIVE, T0, ticks_per_row=1)
    book.store.put_instrument(replace(found, price_digits=3, size_digits=4, tick=10))
    after = footprint(market, market.instrument(ID), FIVE, T0, ticks_per_row=1)
    assert [(row.price, row.bid, row.ask) for row in after.footprint.rows] == [
        (row.price * 10, row.bid * 10, row.ask * 10) for row in before.footprint.rows
    ]


# Proof


def test_a_footprint_is_never_official():
    """The venue's bar says nothing of price rows: without whole trades a footprint is partial, or missing."""
    rows = many(3)
    book = Book()
    book.trades([trade(0, -SECOND, 100), *rows[:3]])
    book.trades(rows[4:])
    bar = bars_of(rows)[T0]
    book.bar(replace(bar, first_id=-1, last_id=-1), now=2 * MINUTE)
    book.commit(bars=[(ID, [replace(bar, start=T0 - 2 * MINUTE)])], now=2 * MINUTE)
    market = Market(book.store)
    found = market.instrument(ID)
    assert book.candle().proof is Proof.OFFICIAL
    partial = footprint(market, found, Timeframe(1), T0)
    assert (partial.proof, partial.missing) == (Proof.PARTIAL, [(T0, T0 + MINUTE)])
    assert partial.footprint.trades == sum(row.fills for row in rows[:3] + rows[4:5])
    assert footprint(market, found, Timeframe(1), T0 - 2 * MINUTE).proof is Proof.MISSING


@pytest.mark.parametrize(
    ("evidence", "proof"),
    [(Evidence.STREAM, Proof.PROVEN), (Evidence.REST, Proof.REPAIRED), (Evidence.ARCHIVE, Proof.REPAIRED)],
)
def test_whole_trades_are_proven_or_repaired_and_name_their_evidence(evidence, proof):
    _, market = market_of(many(6), evidence=evidence)
    bar = footprint(market, market.instrument(ID), FIVE, T0)
    assert (bar.proof, bar.sources) == (proof, sorted(["store", evidence.text]))


def test_a_venue_that_disagrees_makes_the_footprint_disputed():
    book, market = market_of(many(6))
    book.bar(replace(bars_of(many(6))[T0], volume=1))
    assert footprint(market, market.instrument(ID), FIVE, T0).proof is Proof.DISPUTED


def test_a_quiet_minute_is_whole_and_has_no_rows():
    _, market = market_of([trade(1, SECOND), trade(2, 3 * MINUTE)])
    bar = footprint(market, market.instrument(ID), Timeframe(1), T0 + MINUTE)
    assert (bar.state, bar.proof, bar.footprint.rows, bar.missing) == (State.EMPTY, Proof.PROVEN, (), [])


def test_one_minute_of_many_that_is_not_held_makes_the_bar_partial_and_is_named():
    rows = many(6)
    book = Book()
    book.trades([trade(0, -SECOND, 100), *rows[:10]])
    book.trades(rows[15:])
    book.due(0, 1, 2, 3, 4)
    market = Market(book.store)
    bar = footprint(market, market.instrument(ID), FIVE, T0)
    assert bar.proof is Proof.PARTIAL
    assert bar.missing == [(T0 + MINUTE, T0 + 4 * MINUTE)]  # the hole, and the minutes at its borders


def test_an_instrument_of_candles_alone_has_no_footprint():
    book = Book()
    book.store.connection.execute("DELETE FROM tape WHERE kind <> 'bars'")
    book.commit(bars=[(ID, [bars_of(many(1))[T0]])], now=2 * MINUTE)
    market = Market(book.store)
    with pytest.raises(UnknownName, match="no trades of binance:TESTUSDT, and a footprint needs them"):
        footprint(market, market.instrument(ID), FIVE, T0)


# Rows


@pytest.mark.parametrize(("span", "ticks"), [(39, 1), (40, 2), (78, 2), (79, 5), (195, 5), (196, 10), (3_900, 100)])
def test_automatic_rows_fit_a_typical_bar_into_forty(span, ticks):
    rows = []
    for n in range(60):
        wild = 50_000 if n == 3 else span  # one bar of many is not typical
        rows += [trade(2 * n + 1, n * MINUTE, 10_000), trade(2 * n + 2, n * MINUTE + SECOND, 10_000 + wild)]
    _, market = market_of(rows)
    assert typical_ticks_per_row(market, market.instrument(ID), Timeframe(1)) == ticks


def test_only_the_newest_fifty_bars_are_typical_and_a_new_one_is_seen():
    wide = [trade(n + 1, n * 30 * SECOND, 10_000 + 400 * (n % 2)) for n in range(120)]
    narrow = [trade(n + 1, n * 30 * SECOND, 10_000 + n % 2) for n in range(120, 230)]
    book, market = market_of(wide)
    found = market.instrument(ID)
    assert typical_ticks_per_row(market, found, Timeframe(1)) > 1
    book.trades(narrow)
    assert typical_ticks_per_row(market, found, Timeframe(1)) == 1


def test_all_bars_of_an_answer_have_rows_of_one_height():
    _, market = market_of(many(30))
    bars, _ = footprints(market, market.instrument(ID), FIVE, start=T0, end=T0 + 30 * MINUTE)
    assert len(bars) == 6 - 1  # the newest still forms
    assert len({bar.footprint.ticks_per_row for bar in bars}) == 1


def test_one_bar_that_fails_does_not_cost_the_others():
    wide = [trade(1, SECOND, 1), trade(2, 2 * SECOND, 10_000_000), trade(3, MINUTE, 100), trade(4, 3 * MINUTE, 100)]
    _, market = market_of(wide)
    answer = footprint_answer(market, market.instrument(ID), Timeframe(1), T0, T0 + 2 * MINUTE, ticks_per_row=1)
    assert (answer["requested"], answer["successful"], answer["failed"]) == (2, 1, 1)
    assert "rows; 100000 are allowed" in answer["rows"][0]["error"]
    assert answer["rows"][1]["trades"] == 1
    assert answer["proof"] == "missing"


# What is answered


def test_the_object_has_every_key_of_the_contract_as_plain_text():
    _, market = market_of(many(11))
    answer = footprint_answer(market, market.instrument(ID), FIVE, last=1)
    (row,) = answer["rows"]
    for key in ("rows", "poc", "vah", "val", "value_area_share", "rows_per_step", "delta", "min_delta", "max_delta",
                "imbalances", "stacked", "sources", "proof", "elapsed_ms"):  # fmt: skip
        assert key in row
    json.dumps(answer)
    assert (row["start"], row["timeframe"], row["proof"]) == ("2026-01-07T12:05:00Z", "5m", "proven")
    levels = row["rows"]
    assert [Decimal(level["price"]) for level in levels] == sorted(Decimal(level["price"]) for level in levels)
    for name in ("bid", "ask", "unknown", "delta"):
        assert sum(Decimal(level[name]) for level in levels) == Decimal(row[name])
    assert sum(level["trades"] for level in levels) == row["trades"]
    assert Decimal(row["bid"]) + Decimal(row["ask"]) + Decimal(row["unknown"]) == Decimal(row["volume"])
    assert Decimal(row["val"]) <= Decimal(row["poc"]) <= Decimal(row["vah"])
    assert all(level["price"].count(".") == 1 and len(level["price"].partition(".")[2]) == 2 for level in levels)
    assert set(answer) >= {"rows", "proof", "revision", "sources", "missing", "elapsed_ms"}


def test_cumulative_delta_and_naked_points_of_control_are_told_beside_each_other():
    rows = [
        trade(1, SECOND, 100, 5),
        trade(2, MINUTE, 200, 2, -1),
        trade(3, 2 * MINUTE, 150, 1),
        trade(4, 3 * MINUTE, 200, 1),
    ]
    _, market = market_of([*rows, trade(5, 5 * MINUTE, 1)])
    answer = footprint_answer(market, market.instrument(ID), Timeframe(1), T0, T0 + 4 * MINUTE)
    assert [row["cvd"] for row in answer["rows"]] == ["0.005", "0.003", "0.004", "0.005"]
    assert [row["poc_naked"] for row in answer["rows"]] == [True, False, True, True]


def test_divergence_is_judged_by_prices_and_not_by_rows():
    highs = [100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110]
    rows = [
        trade(n + 1, n * MINUTE + SECOND, high, 5 if n < 10 else 1, 1 if n < 9 else -1) for n, high in enumerate(highs)
    ]
    _, market = market_of([*rows, trade(12, 12 * MINUTE, 1)])
    answer = footprint_answer(market, market.instrument(ID), Timeframe(1), T0, T0 + 11 * MINUTE, ticks_per_row=50)
    assert [(d["start"], d["side"]) for d in answer["divergences"]] == [("2026-01-07T12:10:00Z", "sell")]


# Against the exchange


@pytest.fixture(scope="module")
def recorded(real_data, tmp_path_factory) -> Market:
    """The BTC capture as an archive of trades, with the exchange's klines beside it."""
    folder = real_data / "binance-usdm"
    file = tmp_path_factory.mktemp("btc") / "BTCUSDT-trades-2024-08-08.csv"
    with gzip.open(folder / "btcusdt_20240808.raw.gz", "rt") as lines, Path(file).open("w") as out:
        for line in lines:
            if '"btcusdt@trade"' in line:
                t = json.loads(line.partition(" ")[2])["data"]
                out.write(f"{t['t']},{t['p']},{t['q']},0,{t['T']},{'true' if t['m'] else 'false'}\n")
    store = SqliteStore(":memory:", environment="live")
    for path in (file, folder / "BTCUSDT-1m-2024-08-08T2340_2024-08-09T0010.csv"):
        import_file(store, venue("binance"), path)
    return Market(store)


def test_footprints_of_recorded_minutes_equal_the_exchanges_sums(recorded, real_data):
    with (real_data / "binance-usdm/BTCUSDT-1m-2024-08-08T2340_2024-08-09T0010.csv").open() as file:
        bars = {int(row["open_time"]): row for row in csv.DictReader(file)}
    answer = footprint_answer(
        recorded,
        recorded.instrument("BTCUSDT"),
        Timeframe(1),
        1_723_161_300 * SECOND,
        1_723_161_540 * SECOND,
        epoch="ms",
    )
    assert len(answer["rows"]) == 4
    assert (answer["proof"], answer["missing"]) == ("repaired", [])
    for row in answer["rows"]:
        bar = bars[row["start"]]
        found = [row["open"], row["high"], row["low"], row["close"], row["volume"], row["ask"]]
        names = ("open", "high", "low", "close", "volume", "taker_buy_volume")
        assert [Decimal(value) for value in found] == [Decimal(bar[name]) for name in names]
        assert row["trades"] == int(bar["count"])


@pytest.mark.parametrize("timeframe", ["1m", "5m", "7m", "60m"])
def test_a_footprint_of_any_held_candle_takes_well_under_20_ms(recorded, timeframe):
    found, frame = recorded.instrument("BTCUSDT"), parse_timeframe(timeframe)
    times = sorted(footprint(recorded, found, frame, 1_723_161_480 * SECOND).elapsed_ms for _ in range(5))
    assert times[2] < 20
