"""Indicators beside candles: warm-up before the range, holes, the forming bar, one number for all faces, the plan."""

import csv
import io
import json
from urllib.error import HTTPError
from urllib.request import urlopen

import polars as pl
import pytest
from serving import served
from tapes import ID, T0, Book, P, trade

import gapless
from gapless.cli.app import run
from gapless.derive.settle import Vouched
from gapless.errors import BadInput
from gapless.model import DAY, MINUTE, SECOND, Bar, Evidence, Proof, State, Timeframe, iso
from gapless.query.indicators import candles_with, indicators_asked
from gapless.query.market import Market
from gapless.serve import pages

COUNT, HOLE = 400, 130  # minutes; the one that is missing
ONE, FIVE = Timeframe(1), Timeframe(5)
WITH = ["sma:20", "ichimoku", "rsi:5", "vwap:10", "cdldoji"]


def bar(minute: int) -> Bar:
    price = 1_000 + minute * 37 % 101 - minute * 11 % 53
    size = minute * 7 % 40 + 1
    return Bar(
        T0 + minute * MINUTE, price, price + minute % 9, price - minute % 7, price + minute % 5 - 2, size,
        price * size, 3, 0, 0,
    )  # fmt: skip


def bring(book: Book, *minutes: int) -> None:
    """Bring the venue's bars of some minutes."""
    vouched = [
        Vouched(book.bars, (T0 + n * MINUTE) // MINUTE, (T0 + n * MINUTE) // MINUTE, Evidence.STREAM) for n in minutes
    ]
    book.commit(bars=[(ID, [bar(n) for n in minutes])], vouched=vouched, now=DAY)


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> str:
    """A store of 400 minutes of the venue's bars but one, and trades of the minute that forms."""
    file = str(tmp_path_factory.mktemp("indicators") / "market.db")
    book = Book(path=file)
    bring(book, *range(HOLE), *range(HOLE + 1, COUNT))
    book.trades([trade(9_000 + n, COUNT * MINUTE + n * SECOND, 1_010 + n) for n in range(5)])
    book.store.close()
    return file


@pytest.fixture(scope="module")
def market(path) -> Market:
    return Market(gapless.open(path)._source._store)  # type: ignore[attr-defined]


def ask(market: Market, texts: list[str], frame: Timeframe = ONE, **asked):
    moments = {name: T0 + asked.pop(name) * MINUTE for name in ("start", "end") if name in asked}
    return candles_with(market, market.instrument(ID), frame, indicators_asked(texts, frame), **asked, **moments)


def test_the_warm_up_is_read_and_not_shown(market):
    answer = ask(market, ["sma:20"], start=300, end=310)
    assert [row.start for row in answer.rows] == [T0 + n * MINUTE for n in range(300, 310)]
    closes = pl.Series([bar(n).close for n in range(281, 310)], dtype=pl.Float64).rolling_mean(20).drop_nulls()
    assert answer.indicators["sma_20"] == pytest.approx([value / 10**P for value in closes], rel=1e-12)
    assert (answer.warm_up.needed, answer.warm_up.held) == (19, 19)
    assert answer.missing == []


def test_what_the_warm_up_lacks_is_told_apart_from_what_the_range_lacks(market):
    answer = ask(market, ["sma:20"], start=140, end=160)
    assert answer.missing == []
    assert (answer.warm_up.needed, answer.warm_up.held) == (19, 9)
    assert [value is None for value in answer.indicators["sma_20"]] == [True] * 10 + [False] * 10
    answer = ask(market, ["sma:20"], start=0, end=20)
    assert (answer.warm_up.needed, answer.warm_up.held) == (19, 0)
    assert [value is None for value in answer.indicators["sma_20"]] == [True] * 19 + [False]


def test_a_lost_minute_empties_the_bars_of_its_windows_on_every_timeframe(market):
    answer = ask(market, ["sma:4"], FIVE, start=0, end=COUNT)
    lost = HOLE // 5
    empty = [i for i, value in enumerate(answer.indicators["sma_4"]) if value is None]
    assert empty == [0, 1, 2, lost, lost + 1, lost + 2, lost + 3]
    assert answer.rows[lost].proof is Proof.PARTIAL


def test_one_bar_has_one_value_whatever_range_is_asked(market):
    known: dict[int, tuple] = {}
    for start, end in ((0, COUNT), (200, 300), (260, 261), (131, 390), (255, 300)):
        answer = ask(market, WITH, start=start, end=end)
        for i, row in enumerate(answer.rows):
            values = tuple(column[i] for column in answer.indicators.values())
            assert known.setdefault(row.start, values) == values
    assert None not in known[T0 + 260 * MINUTE]


def test_the_lagging_close_of_a_range_that_ended_is_there(market):
    answer = ask(market, ["ichimoku"], start=300, end=310)
    assert answer.indicators["ichimoku_chikou"] == [bar(n + 26).close / 10**P for n in range(300, 310)]
    answer = ask(market, ["ichimoku"], last=30)
    assert [value is None for value in answer.indicators["ichimoku_chikou"]] == [False] * 4 + [True] * 26


def test_the_forming_bar_has_values_and_gives_closed_bars_none(market):
    closed = ask(market, WITH, last=30)
    live = ask(market, WITH, last=30, live=True)
    assert live.rows[-1].state is State.OPEN
    assert [column[:-1] for column in live.indicators.values()] == list(closed.indicators.values())
    closes = [bar(n).close for n in range(COUNT - 19, COUNT)] + [1_014]
    assert live.indicators["sma_20"][-1] == pytest.approx(sum(closes) / 20 / 10**P, rel=1e-12)
    assert live.indicators["ichimoku_chikou"][-1] is None


def test_a_forming_bar_that_lost_a_minute_has_no_values():
    book = Book()
    bring(book, *range(42), 43)
    market = Market(book.store)
    live = ask(market, ["sma:3"], FIVE, last=2, live=True)
    assert [value is None for value in live.indicators["sma_3"]] == [False, False, True]
    bring(book, 42)
    live = ask(market, ["sma:3"], FIVE, last=2, live=True)
    assert [value is None for value in live.indicators["sma_3"]] == [False, False, False]


def test_an_empty_answer_names_its_columns(market):
    answer = ask(market, ["ichimoku", "sma:20"], start=5_000, end=5_010)
    assert answer.rows == []
    assert list(answer.indicators)[-1] == "sma_20"


def test_people_are_told_why_values_are_empty(path, capsys):
    start = ["--start", iso(T0 + 135 * MINUTE), "--end", iso(T0 + 140 * MINUTE)]
    assert run(["candles", ID, "1m", "--store", path, *start, "--with", "sma:20"]) == 0
    told = capsys.readouterr().err
    assert "of 19 bars before the first one" in told
    assert "4 are held" in told


def printed(capsys, path: str, *more: str) -> str:
    assert run(["candles", ID, "1m", "--store", path, *more]) == 0
    return capsys.readouterr().out


def test_every_face_gives_the_same_numbers(path, capsys, tmp_path):
    asked = [part for text in WITH for part in ("--with", text)]
    told = json.loads(printed(capsys, path, "--last", "40", "--format", "json", *asked))
    columns = told["indicators"]
    assert columns[0] == "sma_20"
    assert told["warm_up"] == {"needed": 98, "held": 98}  # rsi:5: its lookback and 93 bars of 4/5
    expected = [[row[column] for column in columns] for row in told["rows"]]
    lines = list(csv.DictReader(io.StringIO(printed(capsys, path, "--last", "40", "--format", "csv", *asked))))
    assert [[float(line[c]) if line[c] else None for c in columns] for line in lines] == expected
    header, newest = printed(capsys, path, "--last", "1", "--with", "sma:20,rsi:5").splitlines()
    assert header.split()[-2:] == ["sma_20", "rsi_5"]
    assert newest.split()[-2:] == [f"{expected[-1][columns.index(c)]:.10g}" for c in ("sma_20", "rsi_5")]
    printed(capsys, path, "--last", "40", "--format", "parquet", "--output", str(tmp_path / "a.parquet"), *asked)
    frame = pl.read_parquet(tmp_path / "a.parquet")
    assert [list(row) for row in frame.select(columns).rows()] == expected
    with gapless.open(path) as store, served(path) as address, gapless.open(address) as http:
        for opened in (store, http):
            rows = opened.candles(ID, "1m", last=40, indicators=WITH)
            assert [list(row.indicators.values()) for row in rows] == expected
            assert [list(row) for row in rows.to_polars().select(columns).rows()] == expected
            assert rows.to_arrow().column("sma_20").to_pylist() == [row[0] for row in expected]
            assert rows.to_pandas()["sma_20"].tolist() == [row[0] for row in expected]
        one = "&with=".join(["", *WITH])
        with urlopen(f"{address}/api/v1/candles?id={ID}&timeframe=1m&last=40{one}") as reply:
            assert [[row[c] for c in columns] for row in json.load(reply)["rows"]] == expected


def test_a_proof_that_is_asked_for_is_asked_of_the_warm_up_too(path):
    with gapless.open(path) as store, served(path) as address, gapless.open(address) as http:
        for opened in (store, http):
            rows = opened.candles(ID, "1m", last=3, indicators=["sma:20"], min_proof="proven")
            assert [row.indicators["sma_20"] for row in rows] == [None] * 3
            skipped = opened.candles(ID, "1m", start=T0, indicators=["sma:20"], on_gap="skip")
            assert len(skipped) == len(skipped.to_polars()["sma_20"]) == COUNT - 1


def test_a_mistake_is_one_sentence_on_every_face(path, capsys):
    assert run(["candles", ID, "1m", "--store", path, "--with", "smaa:3"]) == 2
    assert "did you mean sma?" in capsys.readouterr().err
    assert run(["candles", ID, "1d", "--store", path, "--with", "obv"]) == 2
    assert "needs bars shorter than a day, not 1d" in capsys.readouterr().err
    with served(path) as address, gapless.open(address) as http:
        with pytest.raises(BadInput, match="timeperiod 0 is not allowed"):
            http.candles(ID, "1m", indicators=["sma:0"])
        many = ",".join(f"sma:{n}" for n in range(1, 52))
        for wrong in ("with=nothing", "with=sma:20&with_proof=partial", f"with={many}"):
            with pytest.raises(HTTPError) as refused:
                urlopen(f"{address}/api/v1/candles?id={ID}&timeframe=1m&last=4&{wrong}")
            assert refused.value.code == 400


def test_one_answer_does_not_read_for_years(market, monkeypatch):
    asked = {"start": None, "end": None, "last": 5, "basis": "venue", "live": False, "epoch": None}
    assert pages.candles(market, ID, Timeframe(1_440), indicators=["sma:200"], **asked)["warm_up"]["held"] == 0
    monkeypatch.setattr(pages, "MOST_MINUTES", 100)  # of the 400 that are held
    with pytest.raises(BadInput, match="sma:200 on 1d reads 288,000 minutes; one answer reads 100"):
        pages.candles(market, ID, Timeframe(1_440), indicators=["sma:200"], **asked)
    assert pages.candles(market, ID, ONE, indicators=["sma:20"], **asked)["rows"][-1]["sma_20"]


def test_the_list_says_how_many_bars_are_needed(capsys):
    assert run(["indicators", "--list"]) == 0
    needed = {line.split()[0]: line.split()[1] for line in capsys.readouterr().out.splitlines()[1:]}
    assert (needed["sma:200"], needed["ichimoku"], needed["sma"], needed["vwap"]) == ("200", "78", "30", "since")
    assert run(["indicators", "sma:200", "ichimoku", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["bars"] for row in rows] == [200, 78]
    assert run(["indicators"]) == run(["indicators", "smaa"]) == 2


def test_a_backfill_for_indicators_plans_the_bars_that_the_newest_needs(tmp_path, capsys):
    def items(*asked: str):
        assert (
            run(["backfill", "binance:NEWUSDT", "--plan", "--json", "--store", str(tmp_path / "none.db"), *asked]) == 0
        )
        (item,) = json.loads(capsys.readouterr().out)["plans"][0]["items"]
        return item

    end = "2026-01-07T12:07Z"
    item = items("--for", "sma:200,ichimoku", "--timeframe", "5m", "--end", end)
    assert (item["minutes"], item["end"]) == (1_000, "2026-01-07T12:05:00Z")
    assert items("--for", "ichimoku", "--end", end)["minutes"] == 78
    item = items("--for", "vwap", "--timeframe", "5m", "--end", end)
    assert (item["start"], item["end"]) == ("2026-01-07T00:00:00Z", "2026-01-07T12:05:00Z")
    for wrong in (
        ["--for", "smaa"],
        ["--for", "sma:20", "--trades"],
        ["--for", "sma:20", "--start", "-1d"],
        ["--start", "-1d", "--timeframe", "5m"],
    ):
        assert run(["backfill", "binance:NEWUSDT", "--plan", "--store", str(tmp_path / "none.db"), *wrong]) == 2
    assert "Traceback" not in capsys.readouterr().err
