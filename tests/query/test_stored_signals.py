"""Stored signals: the same numbers on every face, each as its newest judgement, and nothing left out by a filter."""

import csv
import io
import json
from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from serving import served
from tapes import ID, T0, Book, instrument

import gapless
from gapless.cli.app import run
from gapless.errors import BadInput
from gapless.model import DAY, MINUTE, Proof, Timeframe, iso
from gapless.model.signal import Judged, Signal, SignalFilter
from gapless.query import signals as query
from gapless.query.market import Market
from gapless.store.sqlite import SqliteStore

OTHER = "binance:OTHERUSDT"
VALUES = {"stop": "1.20", "risk_percent": 0.4, "valid": True, "threshold_body_percent": 23}


def judged(start: int, *, minutes: int = 5, kind: str = "reversal", side: int = 1, **parts) -> Judged:
    """Make a judgement of the bar that begins `start` minutes after noon."""
    score = parts.pop("score", None)
    values = parts.pop("values", VALUES)
    signal = Signal(kind=kind, side=side, price="1.23", score=score, values=values)
    basic = {"judgement": 0, "state": "found", "revision": 0, "proof": Proof.PROVEN, "instrument": ID}
    return Judged(minutes=minutes, start=T0 + start * MINUTE, known_at=T0 + DAY, signal=signal, **basic | parts)


ROWS = [
    judged(0, score=8.5),
    judged(0, minutes=60, score=9.1, side=-1),  # closes at 13:00
    judged(5, kind="pattern.hammer", proof=Proof.OFFICIAL),
    judged(10, score=3.2, instrument=OTHER),
    judged(10, kind="volume_spike", minutes=1, side=0, values={"ratio": 2.5, "z": None, "ended": False}),
    judged(15, kind="pattern.engulfing", side=-1),
]
LATER = [
    replace(ROWS[2], judgement=1, state="withdrawn", revision=1),
    replace(ROWS[0], judgement=1, state="confirmed", revision=2),
]


def filled(store: SqliteStore, *commits: list[Judged]) -> list[int]:
    """Commit judgements; give the numbers of the commits."""
    store.put_instrument(replace(instrument(), symbol="OTHERUSDT", base="OTHER"))

    def keep(tx: SqliteStore, rows: list[Judged]) -> int:
        for row in rows:
            tx.put_signal(row, late=False)
        return tx.number

    return [store.commit(lambda tx, rows=rows: keep(tx, rows)) for rows in commits]


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> str:
    file = str(tmp_path_factory.mktemp("signals") / "market.db")
    book = Book(path=file)
    filled(book.store, ROWS, LATER)
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


@pytest.fixture
def cli(path, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        status = run(["signals", *arguments, "--store", path])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return call


def told(rows) -> list[tuple[str, str, str]]:
    return [(row.instrument, row.timeframe, row.kind) for row in rows]


A, B, C, D, E, F = [(row.instrument, str(Timeframe(row.minutes)), row.signal.kind) for row in ROWS]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, [A, E, D, F, B]),  # by the time that bars closed; C was withdrawn
        ({"state": "all"}, [A, C, E, D, F, B]),
        ({"state": "withdrawn"}, [C]),
        ({"state": ["found", "withdrawn"]}, [C, E, D, F, B]),
        ({"state": "confirmed"}, [A]),
        ({"last": 2}, [F, B]),
        ({"id": "OTHER/USDT:USDT"}, [D]),
        ({"id": [ID, OTHER], "last": 3}, [D, F, B]),
        ({"timeframe": "1h"}, [B]),
        ({"timeframe": ["1m", "60m"]}, [E, B]),
        ({"kind": "pattern", "state": "all"}, [C, F]),
        ({"kind": "pattern.engulfing"}, [F]),
        ({"kind": ["reversal", "volume_spike"]}, [A, E, D, B]),
        ({"side": "sell"}, [F, B]),
        ({"min_score": 8.5}, [A, B]),
        ({"min_score": 8.6}, [B]),
        ({"min_proof": "repaired", "state": "all"}, [A, E, D, F, B]),
        ({"start": T0 + 11 * MINUTE, "end": T0 + 20 * MINUTE}, [E, D]),
        ({"end": T0 + 11 * MINUTE}, [A]),
        ({"start": T0 + 20 * MINUTE}, [F, B]),
        ({"start": T0 + DAY}, []),
    ],
)
def test_each_filter_gives_exactly_what_it_names(market, asked, expected):
    assert told(market.signals(**asked)) == expected


def test_every_face_gives_the_same_numbers(market, cli, tmp_path):
    rows = market.signals()
    assert (rows.proof, rows.revision, rows.sources, rows.missing) == ("proven", 2, ("store",), ())
    first = rows[0]
    assert (first.start, first.end) == (datetime(2026, 1, 7, 12, tzinfo=UTC), datetime(2026, 1, 7, 12, 5, tzinfo=UTC))
    assert (first.state, first.judgement, first.score, first.values) == ("confirmed", 1, 8.5, VALUES)
    status, out, _ = cli("--format", "json")
    body = json.loads(out)
    assert (status, body["proof"], body["revision"], body["missing"]) == (0, "proven", 2, [])
    numbers = [(row["end"], row["kind"], row["price"], row["score"], row["values"]) for row in body["rows"]]
    assert numbers == [(iso(_ns(r.end)), r.kind, str(r.price), r.score, r.values) for r in rows]
    lines = list(csv.DictReader(io.StringIO(cli("--format", "csv")[1])))
    assert [(row["end"], row["kind"], row["price"], json.loads(row["values"])) for row in lines] == [
        (end, kind, price, values) for end, kind, price, _, values in numbers
    ]
    file = tmp_path / "signals.parquet"
    assert cli("--format", "parquet", "--output", str(file))[0] == 0
    kept, frame = pl.read_parquet(file), rows.to_polars()
    assert kept["score"].to_list() == frame["score"].to_list() == [r.score for r in rows]
    assert [str(price) for price in kept["price"]] == [str(r.price) for r in rows]
    assert kept["end"].cast(pl.Datetime("us", "UTC")).to_list() == frame["end"].to_list()


def _ns(moment: datetime) -> int:
    return int(moment.timestamp()) * 10**9


def test_the_table_shows_when_a_bar_closed_and_the_facts_that_matter(cli):
    status, out, _ = cli("--last", "3", "--min-proof", "repaired", "--state", "standing")
    assert status == 0
    header, spike, *_ = cli("--kind", "volume_spike")[1].splitlines()
    assert header.split() == list(query.TABLE_COLUMNS)
    assert spike.split()[:4] == ["2026-01-07T12:11:00Z", ID, "1m", "volume_spike"]
    assert spike.endswith("ratio 2.5, not ended")
    assert out.splitlines()[-1].endswith("valid, stop 1.20, risk 0.4 %")


def test_a_long_range_comes_in_pages_that_lose_and_double_nothing(path):
    market = Market(SqliteStore(path, readonly=True))
    asked = SignalFilter()
    whole = query.signals(market, asked, start=0).rows
    for most in (1, 2, 3):
        found, start = [], 0
        while start is not None:
            page = query.signals(market, asked, start=start, most=most)
            found += page.rows
            start = page.next
        assert found == whole
    assert len(whole) == 6


def test_signals_are_given_as_they_stood_at_a_commit():
    book = Book()
    first, second = filled(book.store, ROWS, LATER)
    market = Market(book.store)
    states = lambda number: [row.state for row in query.signals(market, SignalFilter(), number=number).rows]  # noqa: E731
    assert states(first) == ["found"] * 6
    assert states(second) == ["confirmed", "withdrawn", "found", "found", "found", "found"]
    assert states(first - 1) == []


def test_explain_tells_every_judgement_of_a_bar(market, path, capsys):
    rows = market.explain(ID, "5m", T0)["signals"]
    assert [(row["kind"], row["state"], row["revision"]) for row in rows] == [
        ("reversal", "found", 0), ("reversal", "confirmed", 2),
    ]  # fmt: skip
    run(["explain", ID, iso(T0), "5m", "--store", path])
    assert "reversal buy confirmed on revision 2, proven, score 8.5" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"kind": "patern"}, "kind: 'patern' is not allowed; allowed are reversal, volume_spike, pattern"),
        ({"kind": "pattern.hamer"}, "did you mean pattern.hammer?"),
        ({"state": "gone"}, "state: 'gone' is not allowed; allowed are found, confirmed, withdrawn, standing, all"),
        ({"side": "long"}, "side: 'long' is not allowed; allowed are buy, sell"),
        ({"min_score": 11.0}, "min_score: 11.0 is not allowed; allowed are 1 to 10"),
        ({"timeframe": "5x"}, "'5x' is no timeframe"),
        ({"id": "NOPEUSDT"}, "no instrument 'NOPEUSDT'"),
        ({"last": 3, "start": T0}, "last goes alone"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_what_is_allowed(market, asked, sentence):
    with pytest.raises(BadInput) as caught:
        market.signals(**asked)
    assert sentence in str(caught.value)


def test_a_mistake_on_the_command_line_ends_with_status_two(cli):
    status, _, err = cli("--kind", "reversals")
    assert (status, "did you mean reversal?" in err) == (2, True)
    assert cli("--set", "signals.enabled=false")[0] == 2


def test_the_newest_of_many_are_found_without_reading_the_rest(path):
    store = SqliteStore(path, readonly=True)
    seen = []
    store.connection.set_trace_callback(seen.append)
    store.signals(0, 2**62, number=2**62, limit=20, which=SignalFilter(kinds=("reversal",)))
    store.connection.set_trace_callback(None)
    for sql in (sql for sql in seen if "FROM signal JOIN" in sql):
        plan = " ".join(row[3] for row in store.connection.execute(f"EXPLAIN QUERY PLAN {sql}"))
        assert "signal_time" in plan
        assert "TEMP B-TREE" not in plan


@given(st.lists(st.tuples(st.sampled_from([1, 7, 50, 60, 240, 1_440, 10_080]), st.integers(0, 40_000)), max_size=8))
def test_the_store_knows_when_a_bar_closed_also_where_midnight_cuts_it(places):
    book = Book()
    made = [judged(Timeframe(m).start_of(T0 + at * MINUTE) // MINUTE - T0 // MINUTE, minutes=m) for m, at in places]
    rows = list({(row.minutes, row.start): row for row in made}.values())
    filled(book.store, rows)
    for row in rows:
        (found,) = book.store.signals(
            row.end, row.end + 1, number=2**62, limit=9, which=SignalFilter(minutes=(row.minutes,))
        )
        assert (found.start, found.end) == (row.start, Timeframe(row.minutes).end_of(row.start))
    assert len(book.store.signals(0, 2**62, number=2**62, limit=99)) == len(rows)


def test_the_id_of_a_signal_that_grew_too_old_is_never_given_to_another():
    store = Book().store
    filled(store, ROWS, [replace(ROWS[0], start=T0 - DAY)])  # of an old bar, judged last
    newest = max(one.id for one in store.signals(0, T0 + DAY, number=9, limit=99))
    assert store.older("signals", T0) == 0
    while store.commit(lambda tx: tx.drop_signals(T0, 5)):
        pass
    filled(store, [judged(20)])
    assert max(one.id for one in store.signals(0, T0 + DAY, number=9, limit=99)) > newest
