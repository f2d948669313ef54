"""The Python reader: the same typed answers from a store and from a running gapless, exact, gaps never hidden."""

import sys
import threading
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from msgspec.structs import replace
from serving import served
from tapes import ID, MINUTE, T0, Book, bars_of, trade

import gapless
from gapless.errors import BadInput, CouldNot, Incomplete, UnknownName
from gapless.model import SECOND, Evidence, Gap, Proof
from gapless.reader import open_market

NOON = datetime(2026, 1, 7, 12, tzinfo=UTC)
ROWS = [trade(n + 1, n * 20 * SECOND + SECOND, 100 + n % 7, n % 5 + 1, 1 if n % 3 else -1) for n in range(40)]
LOST = range(14, 20)  # ids: minutes 4 (its end), 5 and 6 (its beginning)


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> str:
    """A store of 14 minutes with a hole, a repaired gap and a forming minute."""
    file = str(tmp_path_factory.mktemp("reader") / "market.db")
    book = Book(path=file)
    gap = Gap(tape=book.tape.id, first=3, last=3, opened=T0, cause="silent")
    book.trades([trade(0, -SECOND, 100), *ROWS[:2]])
    book.trades([row for row in ROWS[3:] if row.seq < LOST[0]], gaps=[(book.tape, gap)])
    book.trades([row for row in ROWS if row.seq > LOST[-1]])
    book.trades([ROWS[2]], evidence=Evidence.REST)
    book.commit(wanted=[(book.tape, 0, 40)])
    book.due(*range(13))
    book.store.close()
    return file


@pytest.fixture(scope="module", params=["store", "http"])
def market(path, request):
    if request.param == "store":
        with gapless.open(path) as opened:
            yield opened
    else:
        with served(path) as address, gapless.open(address) as opened:
            yield opened


def starts(rows):
    return [(row.start - NOON) // timedelta(minutes=1) for row in rows]


def test_candles_are_typed_exact_and_in_order(market):
    candles = market.candles("TEST/USDT:USDT", "5m", last=1)
    (bar,) = candles
    inside = [row for row in ROWS if 5 * MINUTE <= row.time - T0 < 10 * MINUTE and row.seq not in LOST]
    assert (bar.start, bar.proof, bar.state) == (NOON + timedelta(minutes=5), "partial", "traded")
    assert bar.volume == Decimal(sum(row.size for row in inside)).scaleb(-3)
    assert bar.quote_volume == Decimal(sum(row.size * row.price for row in inside)).scaleb(-5)
    assert candles.sources == ("store",)
    assert starts(market.get_candles(ID, "1m", 3)) == [10, 11, 12]


@pytest.mark.parametrize(
    "window",
    [
        {"start": NOON, "end": NOON + timedelta(minutes=3)},
        {"start": datetime(2026, 1, 7, 12), "end": datetime(2026, 1, 7, 13, 3, tzinfo=timezone(timedelta(hours=1)))},
        {"start": "2026-01-07T12:00Z", "end": "2026-01-07 12:03"},
        {"start": 1_767_787_200, "end": 1_767_787_380_000},
        {"start": 1_767_787_200.0, "end": 1_767_787_379_999.5},
        {"start": T0, "end": T0 + 3 * MINUTE},
    ],
)
def test_times_are_taken_in_every_usual_form(market, window):
    assert starts(market.candles(ID, "1m", **window)) == [0, 1, 2]


def test_relative_times_count_from_now(market):
    assert len(market.candles(ID, "1m", start="-1h", end="now")) == 0


# Gaps


def test_a_gap_is_kept_as_a_row_without_values(market):
    candles = market.candles(ID, "1m", start=NOON, end=NOON + timedelta(minutes=9))
    assert starts(candles) == list(range(9))
    assert [row.proof for row in candles] == [
        "repaired",
        *["proven"] * 3,
        "partial",
        "missing",
        "partial",
        *["proven"] * 2,
    ]
    assert (candles[5].open, candles[5].volume, candles[5].state, candles[5].trades) == (None, None, "missing", None)
    assert candles.missing == ((NOON + timedelta(minutes=5), NOON + timedelta(minutes=6)),)
    assert candles.proof == "missing"


def test_a_gap_is_left_out_when_asked(market):
    assert starts(market.candles(ID, "1m", start=NOON, end=NOON + timedelta(minutes=9), on_gap="skip")) == [
        0, 1, 2, 3, 4, 6, 7, 8,
    ]  # fmt: skip


def test_a_gap_raises_when_asked_and_is_named(market):
    with pytest.raises(Incomplete, match="2026-01-07T12:05Z to 2026-01-07T12:06Z is not held"):
        market.candles(ID, "1m", last=12, on_gap="raise")
    assert len(market.candles(ID, "1m", last=3, on_gap="raise")) == 3


def test_what_is_proven_worse_than_asked_for_is_a_gap_and_never_leaks(market):
    candles = market.candles(ID, "1m", start=NOON, end=NOON + timedelta(minutes=9), min_proof="repaired")
    assert [row.volume is None for row in candles] == [False] * 4 + [True] * 3 + [False] * 2
    assert [row.proof for row in candles][4:7] == ["partial", "missing", "partial"]
    assert candles.missing == ((NOON + timedelta(minutes=4), NOON + timedelta(minutes=7)),)
    for least in (Proof.PROVEN, "proven"):
        assert starts(market.candles(ID, "1m", last=13, min_proof=least, on_gap="skip")) == [
            1,
            2,
            3,
            7,
            8,
            9,
            10,
            11,
            12,
        ]
    with pytest.raises(Incomplete):
        market.candles(ID, "1m", start=NOON, end=NOON + timedelta(minutes=1), min_proof="proven", on_gap="raise")


def test_the_forming_bar_comes_only_when_asked_and_is_no_gap(market):
    candles = market.candles(ID, "1m", last=2, forming=True, min_proof="proven", on_gap="raise")
    assert [row.state for row in candles] == ["traded", "traded", "open"]
    assert candles[-1].trades == 1


# Trades and footprints


def test_trades_are_the_tape_and_name_its_hole(market):
    rows = market.trades(ID, start=NOON)
    assert [row.seq for row in rows] == [row.seq for row in ROWS if row.seq not in LOST]
    assert (rows[0].price, rows[0].size, rows[0].side) == (Decimal("1.00"), Decimal("0.001"), "sell")
    assert rows[0].time == NOON + timedelta(seconds=1)
    assert rows.proof == "partial"
    assert rows.missing == ((NOON + timedelta(seconds=241), NOON + timedelta(seconds=381)),)
    assert set(rows.sources) == {"rest", "store", "stream"}


def test_a_footprint_has_exact_rows_and_its_proof(market):
    found = market.footprint(ID, "1m", NOON + timedelta(minutes=1, seconds=30))
    inside = [row for row in ROWS if MINUTE <= row.time - T0 < 2 * MINUTE]
    assert (found.start, found.proof, found.missing) == (NOON + timedelta(minutes=1), "proven", ())
    assert found.volume == Decimal(sum(row.size for row in inside)).scaleb(-3)
    assert sum(row.bid + row.ask for row in found.rows) == found.volume
    forming = market.footprint(ID, "5m", NOON + timedelta(minutes=13))
    assert (forming.state, forming.proof) == ("open", "partial")
    assert market.footprint(ID, "1m", NOON + timedelta(minutes=1), ticks_per_row=5).ticks_per_row == 5


def test_many_footprints_are_one_answer(market):
    found = market.footprints(ID, "1m", start=NOON, end=NOON + timedelta(minutes=7))
    assert starts(found) == list(range(7))
    assert found.missing == ((NOON + timedelta(minutes=4), NOON + timedelta(minutes=7)),)
    assert found[1].cvd == found[0].delta + found[1].delta
    assert len(market.footprints(ID, "1m", last=2, forming=True)) == 3
    frame = found.to_polars()
    assert frame["trades"].sum() == sum(bar.trades for bar in found)


# The ledger


def test_gaps_coverage_instruments_and_explain_are_there(market):
    (gap,) = market.gaps("TESTUSDT")
    assert (gap.first, gap.last, gap.state, gap.cause) == (3, 3, "repaired", "silent")
    assert market.gaps(state="open") == []
    (tape,) = [one for one in market.coverage(ID) if one.kind == "trade"]
    assert (tape.wanted, tape.held, tape.rows, tape.voids) == (41, 35, 35, 0)
    assert [(hole.first, hole.last) for hole in tape.holes] == [(LOST[0], LOST[-1])]
    assert tape.evidence == {"stream": 34, "rest": 1}
    assert [one.id for one in market.instruments()] == [ID]
    told = market.explain(ID, "1m", NOON)
    assert told["gaps"][0]["filled_by"] == ["rest"]


@pytest.mark.parametrize(
    ("ask", "error", "sentence"),
    [
        (lambda m: m.candles("TESTUSD", "1m", last=1), UnknownName, "did you mean binance:TESTUSDT"),
        (lambda m: m.candles(ID, "7x", last=1), BadInput, "is no timeframe; allowed are 1m to 1440m"),
        (lambda m: m.candles(ID, "1m", last=1, start=NOON), BadInput, "last goes alone"),
        (lambda m: m.candles(ID, "1m", last=0), BadInput, "last: 0 is not allowed"),
        (lambda m: m.candles(ID, "1m", start=NOON, end=NOON), BadInput, "end must be later than start"),
        (lambda m: m.candles(ID, "1m", start="soon"), BadInput, "'soon' is no time"),
        (lambda m: m.candles(ID, "1m", last=1, on_gap="hide"), BadInput, "allowed are keep, raise, skip"),
        (lambda m: m.candles(ID, "1m", last=1, min_proof="good"), BadInput, "'good' is no proof; allowed are missing"),
        (lambda m: m.candles(ID, "1m", last=1, basis="guess"), BadInput, "basis: 'guess' is not allowed"),
        (lambda m: m.gaps(state="lost"), BadInput, "state: 'lost' is not allowed"),
    ],
)
def test_a_mistake_is_one_sentence_that_says_what_is_allowed(market, ask, error, sentence):
    with pytest.raises(error, match=sentence):
        ask(market)


# Frames


def test_polars_frames_have_floats_and_utc(market):
    frame = market.candles(ID, "1m", last=9).to_polars()
    assert str(frame.schema["start"]) == "Datetime(time_unit='us', time_zone='UTC')"
    assert str(frame.schema["close"]) == "Float64"
    assert frame["volume"].null_count() == 1
    assert market.candles(ID, "1m", last=9, on_gap="skip").to_polars()["trades"].to_list() == [
        row.trades for row in market.candles(ID, "1m", last=9, on_gap="skip")
    ]
    empty = market.trades(ID, start=0, end=1).to_polars()
    assert (empty.height, str(empty.schema["price"])) == (0, "Float64")


def test_pandas_frames_are_indexed_by_utc(market):
    frame = market.candles(ID, "1m", last=9).to_pandas()
    assert str(frame.index.tz) == "UTC"
    assert frame.index[0] == NOON + timedelta(minutes=4)
    assert str(frame["close"].dtype) == "float64"
    assert frame["close"].isna().sum() == 1
    assert market.trades(ID).to_pandas().index.is_monotonic_increasing


def test_arrow_tables_have_times_in_utc(market):
    table = market.candles(ID, "1m", last=2).to_arrow()
    assert (table.num_rows, str(table.schema.field("start").type)) == (2, "timestamp[us, tz=UTC]")


def test_ohlcv_rows_are_those_of_ccxt(market):
    (row,) = market.candles(ID, "1m", last=1).to_ohlcv()
    (bar,) = market.candles(ID, "1m", last=1)
    assert row == [
        1_767_787_200_000 + 12 * 60_000,
        *(float(v) for v in (bar.open, bar.high, bar.low, bar.close, bar.volume)),
    ]
    assert [type(value) for value in row] == [int, float, float, float, float, float]


@pytest.mark.parametrize(("module", "method"), [("pandas", "to_pandas"), ("pyarrow", "to_arrow")])
def test_a_frame_library_that_is_not_installed_is_named(path, monkeypatch, module, method):
    monkeypatch.setitem(sys.modules, module, None)
    extra = {"pandas": "pandas", "pyarrow": "arrow"}[module]
    with gapless.open(path) as market, pytest.raises(ImportError, match=rf"pip install 'gapless\[{extra}\]'"):
        getattr(market.candles(ID, "1m", last=1), method)()


# Newest values


def test_newest_values_are_asked_of_a_running_gapless(path):
    with gapless.open(path) as market:
        for ask in (lambda: market.ticker(ID), market.quotes, lambda: market.book(ID)):
            with pytest.raises(BadInput, match="kept by a running `gapless run`, not by a store"):
                ask()
    with served(path) as address, gapless.open(address) as market:
        assert market.ticker(ID).last == Decimal("1.02")
        (quote,) = market.quotes()
        assert (quote.bid, quote.ask_size, quote.time) == (Decimal("1.01"), Decimal("4.000"), None)
        assert market.book(ID, depth=1)["bids"] == [["1.01", "3.000"]]


def test_an_address_where_nothing_answers_could_not_be_read():
    with pytest.raises(CouldNot, match=r"no gapless answers at http://127\.0\.0\.1:9"):
        gapless.open("http://127.0.0.1:9").instruments()


def test_long_ranges_are_read_page_by_page_without_a_seam(tmp_path):
    book = Book(path=str(tmp_path / "long.db"))
    rows = [trade(n, n * 60 * SECOND // 2, 100 + n % 5) for n in range(24_000)]
    for at in range(0, len(rows), 4_000):
        book.trades(rows[at : at + 4_000])
    with served(book.store.path) as address, gapless.open(address) as http, gapless.open(book.store.path) as store:
        assert list(http.trades(ID)) == list(store.trades(ID))
        assert list(http.candles(ID, "1m", start=NOON)) == list(store.candles(ID, "1m", start=NOON))
        assert len(http.candles(ID, "1m")) == 11_999
        days = [
            [bar.volume for bar in one.footprints(ID, "60m", start=NOON, end="2026-02-01")] for one in (http, store)
        ]
        assert days[0] == days[1]


# Beside a writer


def test_no_store_at_the_place_is_said_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("GAPLESS_STORE", str(tmp_path / "none.db"))
    with pytest.raises(BadInput, match="there is no store at"):
        open_market()
    with pytest.raises(BadInput, match="environment belongs to a store"):
        open_market("http://127.0.0.1:1", "sim")


def test_a_reader_sees_each_commit_whole_while_it_is_written(tmp_path):
    """Every answer is of one moment: rows, proof and folds of the same commits."""
    book = Book(path=str(tmp_path / "busy.db"))
    book.trades([trade(0, -SECOND), trade(1, SECOND)])
    done = threading.Event()

    def write() -> None:
        for n in range(1, 400):
            book.trades([trade(2 * n, n * 60 * SECOND), trade(2 * n + 1, n * 60 * SECOND + 30 * SECOND, 100, 3)])
        done.set()

    with gapless.open(book.store.path) as market:
        writer = threading.Thread(target=write)
        writer.start()
        answers = 0
        while not done.is_set() or not answers:
            candles = market.candles(ID, "1m", last=5)
            assert all(bar.proof == "proven" for bar in candles if bar.start > NOON)
            for bar in candles[1:]:
                if bar.start > NOON:
                    found = market.footprint(ID, "1m", bar.start)
                    assert (found.volume, found.proof) == (bar.volume, "proven")
            answers += 1
        writer.join()
        assert len(market.candles(ID, "1m")) == 400


def test_digits_that_grow_in_another_process_do_not_falsify_an_open_reader(tmp_path):
    book = Book(path=str(tmp_path / "grown.db"))
    book.trades([trade(0, -SECOND), *(replace(row, price=row.price * 1_000, size=row.size * 1_000) for row in ROWS)])
    with gapless.open(book.store.path) as market:
        before = market.candles(ID, "1m", last=5)
        (known,) = book.store.instruments()
        book.store.put_instrument(replace(known, price_digits=5, size_digits=6, tick=1_000))
        after = market.candles(ID, "1m", last=5)
        assert list(after) == list(before)
        assert [bar.quote_volume for bar in after] == [bar.quote_volume for bar in before]


def test_the_venues_bar_is_served_where_held_and_ours_on_request(tmp_path):
    book = Book(path=str(tmp_path / "basis.db"))
    book.trades([trade(0, -SECOND), *ROWS])
    book.bar(replace(bars_of(ROWS)[T0], volume=999))
    with gapless.open(book.store.path) as market:
        window = {"start": NOON, "end": NOON + timedelta(minutes=1)}
        assert market.candles(ID, "1m", **window)[0].volume == Decimal("0.999")
        assert market.candles(ID, "1m", basis="tape", **window)[0].volume == Decimal("0.006")
