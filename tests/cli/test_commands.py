"""The commands as people and programs use them: columns, formats, exit statuses, and one sentence for every mistake."""

import csv
import io
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import polars
import pytest
from msgspec.structs import replace
from tapes import ID, T0, Book, bars_of, trade

from gapless import __version__
from gapless.cli.app import run
from gapless.model import MINUTE, SECOND, Evidence, Gap
from gapless.store.sqlite import SqliteStore

ROWS = [trade(n + 1, n * 20 * SECOND + SECOND, 100 + n % 7, n % 5 + 1, (1, -1, 0)[n % 3]) for n in range(40)]
WHOLE = ["--start", "2026-01-07T12:00Z", "--end", "2026-01-07T12:04Z"]
HOLED = ["--start", "2026-01-07T12:00Z", "--end", "2026-01-07T12:09Z"]


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    """A store of 14 minutes: a repaired gap in the first, a hole over the fifth to seventh, the last forming."""
    file = tmp_path_factory.mktemp("cli") / "market.db"
    book = Book(path=str(file))
    gap = Gap(tape=book.tape.id, first=3, last=3, opened=T0, cause="disconnect")
    book.trades([trade(0, -SECOND, 100), *ROWS[:2]])
    book.trades([row for row in ROWS[3:] if row.seq < 14], gaps=[(book.tape, gap)])
    book.trades([row for row in ROWS if row.seq > 19])
    book.trades([ROWS[2]], evidence=Evidence.REST, cause="repair")
    book.commit(wanted=[(book.tape, 0, 40)])
    book.due(*range(13))
    book.bar(bars_of(ROWS)[T0])
    book.store.close()
    return file


@pytest.fixture
def gapless(path, capsys, monkeypatch):
    """Run a command on the store; gives its status and what it printed."""
    monkeypatch.delenv("GAPLESS_STORE", raising=False)

    def call(*arguments: str, store: str | None = None):
        status = run([*arguments, "--store", store or f"sqlite:///{path}"] if store != "" else [*arguments])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return call


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


# Formats


def test_candles_have_the_columns_of_the_contract_in_every_format(gapless, tmp_path):
    columns = (
        "start,open,high,low,close,volume,quote_volume,trades,taker_buy_volume,taker_buy_quote_volume,"
        "state,short,origin,proof,revision,polled"
    )
    status, out, err = gapless("candles", ID, "1m", *WHOLE, "--format", "csv")
    assert (status, err, out.splitlines()[0]) == (0, "", columns)
    rows = table(out)
    answer = json.loads(gapless("candles", ID, "1m", *WHOLE, "--format", "json")[1])
    assert [list(row) for row in answer["rows"]] == [columns.split(",")] * 4
    assert set(answer) >= {"rows", "proof", "revision", "sources", "missing", "elapsed_ms"}
    for one, other in zip(rows, answer["rows"], strict=True):
        texts = {n: ("" if v is None else str(v).lower() if isinstance(v, bool) else str(v)) for n, v in other.items()}
        assert one == texts
    file = tmp_path / "bars.parquet"
    assert gapless("candles", ID, "1m", *WHOLE, "--format", "parquet", "--output", str(file))[0] == 0
    frame = polars.read_parquet(file)
    assert frame.columns == columns.split(",")
    assert [Decimal(str(v)) for v in frame["close"]] == [Decimal(row["close"]) for row in rows]
    shown = gapless("candles", ID, "1m", *WHOLE)[1].splitlines()
    assert shown[0].split() == columns.split(",")
    assert [line.split()[4] for line in shown[1:]] == [row["close"] for row in rows]


def test_numbers_are_plain_and_have_the_tapes_digits(gapless):
    (first, *_) = table(gapless("candles", ID, "1m", *WHOLE, "--format", "csv")[1])
    assert (first["open"], first["volume"], first["quote_volume"]) == ("1.00", "0.006", "0.00608")
    assert (first["trades"], first["short"], first["origin"], first["proof"]) == ("3", "false", "venue", "repaired")


@pytest.mark.parametrize(("epoch", "unit"), [("ms", 10**6), ("us", 10**3), ("ns", 1)])
def test_times_can_be_epochs(gapless, epoch, unit):
    rows = table(gapless("trades", ID, *WHOLE, "--format", "csv", "--epoch", epoch)[1])
    assert int(rows[0]["time"]) == (T0 + SECOND) // unit
    answer = json.loads(gapless("candles", ID, "1m", *HOLED, "--format", "json", "--epoch", epoch)[1])
    assert answer["missing"] == [[(T0 + 5 * MINUTE) // unit, (T0 + 6 * MINUTE) // unit]]


def test_trades_have_the_columns_of_the_contract(gapless):
    status, out, _ = gapless("trades", ID, *WHOLE, "--format", "csv")
    assert (status, out.splitlines()[0]) == (0, "seq,time,price,size,side,fills,first_fill")
    rows = table(out)
    assert [int(row["seq"]) for row in rows] == list(range(1, 13))
    assert [row["side"] for row in rows[:3]] == ["buy", "sell", "unknown"]
    assert rows[0]["time"] == "2026-01-07T12:00:01Z"
    headed = gapless("trades", ID, *WHOLE, "--format", "csv", "--received")[1].splitlines()[0]
    assert headed.endswith(",first_fill,received")


def test_an_output_goes_to_a_file(gapless, tmp_path):
    file = tmp_path / "rows.csv"
    status, out, _ = gapless("trades", ID, *WHOLE, "--format", "csv", "--output", str(file))
    assert (status, out) == (0, "")
    assert len(table(file.read_text())) == 12


# What is missing


def test_a_missing_minute_is_a_row_and_status_one(gapless):
    status, out, err = gapless("candles", ID, "1m", *HOLED, "--format", "csv")
    rows = table(out)
    assert (status, err, len(rows)) == (1, "", 9)
    assert (rows[5]["open"], rows[5]["volume"], rows[5]["proof"], rows[5]["state"]) == ("", "", "missing", "missing")
    assert json.loads(gapless("candles", ID, "1m", *HOLED, "--format", "json")[1])["rows"][5]["open"] is None


def test_missing_ids_make_trades_end_with_status_one(gapless):
    assert gapless("trades", ID, *WHOLE, "--format", "csv")[0] == 0
    assert gapless("trades", ID, "--format", "csv")[0] == 1


def test_the_forming_bar_is_shown_only_when_asked(gapless):
    assert [row["state"] for row in table(gapless("candles", ID, "1m", "--last", "1", "--format", "csv")[1])] == [
        "traded"
    ]
    live = table(gapless("candles", ID, "1m", "--last", "1", "--live", "--format", "csv")[1])
    assert [row["state"] for row in live] == ["traded", "open"]


def test_a_start_in_the_middle_of_a_bar_misses_nothing(gapless):
    window = ["--start", "2026-01-07T12:07:30Z", "--end", "2026-01-07T12:12:30Z"]
    status, out, _ = gapless("candles", ID, "1m", *window, "--format", "csv")
    assert (status, len(table(out))) == (0, 5)


def test_the_audit_names_every_hole(gapless, tmp_path):
    status, out, _ = gapless("audit")
    assert status == 1
    assert "HOLE 14 to 19 (6 ids)" in out
    status, out, _ = gapless("audit", "--json")
    audit = json.loads(out)
    (trades, _) = audit["tapes"]
    assert (status, audit["holes"], trades["held"], trades["wanted"]) == (1, 1, 35, 41)
    assert [(hole["first"], hole["last"], hole["state"]) for hole in trades["holes"]] == [(14, 19, "open")]
    assert set(trades) >= {"began", "first", "last", "intervals", "repaired", "voids", "before", "expired", "holes"}
    clean = Book(path=str(tmp_path / "clean.db"))
    clean.trades(ROWS, wanted=[(clean.tape, 1, 40)])
    status, out, _ = gapless("audit", store=clean.store.path)
    assert status == 0
    assert f"{ID} trade: 40 of 40 ids held in 1 interval, 40 rows, 0 void, 0.00% repaired" in out
    assert out.endswith("2 tapes, no hole: complete\n")


# Footprints and explanations


def test_a_footprint_is_one_object_with_every_key(gapless):
    status, out, err = gapless("footprint", ID, "2026-01-07T12:01Z", "1m", "--json")
    found = json.loads(out)
    assert (status, err) == (0, "")
    assert set(found) >= {
        "rows", "poc", "vah", "val", "value_area_share", "rows_per_step", "delta", "min_delta", "max_delta",
        "imbalances", "stacked", "sources", "proof", "elapsed_ms",
    }  # fmt: skip
    assert (found["proof"], found["start"], found["volume"]) == ("proven", "2026-01-07T12:01:00Z", "0.010")
    assert found["elapsed_ms"] < 20
    inside = [row for row in ROWS if MINUTE <= row.time - T0 < 2 * MINUTE]
    assert [(Decimal(r["price"]), r["trades"]) for r in found["rows"]] == [
        (Decimal(price).scaleb(-2), sum(r.price == price for r in inside)) for price in range(103, 106)
    ]


def test_many_footprints_are_a_list_of_the_same_shape(gapless):
    status, out, _ = gapless("footprint", ID, "1m", *WHOLE, "--json", "--ticks-per-row", "2")
    answer = json.loads(out)
    assert (status, len(answer["rows"]), answer["proof"]) == (0, 4, "repaired")
    assert {row["ticks_per_row"] for row in answer["rows"]} == {2}
    status, out, _ = gapless("footprint", ID, "1m", *HOLED, "--json")
    assert (status, json.loads(out)["missing"]) == (1, [["2026-01-07T12:04:00Z", "2026-01-07T12:07:00Z"]])


def test_a_footprint_on_a_terminal_marks_its_point_of_control_and_value_area(gapless):
    status, out, _ = gapless("footprint", ID, "2026-01-07T12:01Z", "1m")
    lines = out.splitlines()
    assert status == 0
    assert lines[0] == f"{ID} 1m 2026-01-07T12:01:00Z  traded, proven (store, stream)"
    prices = [line.split()[0] for line in lines if " x " in line]
    assert prices == ["1.05", "1.04", "1.03"]  # from high to low
    assert sum("POC" in line for line in lines) == 1
    partial = gapless("footprint", ID, "2026-01-07T12:05Z", "5m")
    assert partial[0] == 1
    assert "not held whole: 2026-01-07T12:05:00Z to 2026-01-07T12:07:00Z" in partial[1]


def test_an_explanation_is_plain_and_complete(gapless):
    status, out, _ = gapless("explain", ID, "2026-01-07T12:00:30Z", "1m")
    assert status == 0
    for said in (
        "traded, repaired, revision",
        "ids 1 to 3, 3 held, 3 rows, 0 void",
        "3 to 3 (1 ids) by rest",
        "3 to 3 (1 ids), disconnect at 2026-01-07T12:00:00Z, repaired at",
        "venue and tape equal",
    ):
        assert said in out
    told = json.loads(gapless("explain", ID, "2026-01-07T12:00Z", "1m", "--json")[1])
    assert told["minutes"][0]["verdict"] == "equal"
    status, out, _ = gapless("explain", ID, "2026-01-07T12:05Z", "5m")
    assert status == 1
    assert "2026-01-07T12:05:00Z  missing" in out


def test_instruments_are_listed(gapless):
    status, out, _ = gapless("instruments", "--format", "csv")
    (row,) = table(out)
    assert (status, row["id"], row["unified"], row["tick"]) == (0, ID, "TEST/USDT:USDT", "0.01")


# Mistakes


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("candles", "TESTUSD", "1m"), "the store holds no instrument 'TESTUSD'; did you mean binance:TESTUSDT?"),
        (("candles", "binance:XYZ", "1m"), "the store holds no instrument 'binance:XYZ'; "),
        (("candles", ID, "7x"), "'7x' is no timeframe; allowed are 1m to 1440m, 1h to 24h, 1d, 1w"),
        (("candles", ID, "1m", "--start", "soon"), "--start: 'soon' is no time; allowed are ISO 8601"),
        (("candles", ID, "1m", "--start", "2026-01-08", "--end", "2026-01-07"), "--end must be later than --start"),
        (("candles", ID, "1m", "--last", "0"), "Invalid value for '--last'"),
        (("candles", ID, "1m", "--last", "2", "--start", "now"), "--last goes alone; a range is --start and --end"),
        (("candles", ID, "1m", "--basis", "guess"), "--basis: 'guess' is not allowed; allowed are venue, tape"),
        (("candles", ID, "1m", "--format", "xls"), "--format: 'xls' is not allowed; allowed are table, csv, json"),
        (("candles", ID, "1m", "--epoch", "s"), "--epoch: 's' is not allowed; allowed are ms, us, ns"),
        (("candles", ID, "1m", "--grid", "noon"), "--grid: 'noon' is not allowed; allowed are midnight, epoch"),
        (("candles", ID, "1m", "--environment", "test"), "--environment: 'test' is not allowed; allowed are live"),
        (("trades", ID, "--format", "parquet"), "--format parquet needs --output FILE"),
        (("trades", ID, "--output", "/nowhere/x.csv", "--format", "csv"), "--output: /nowhere/x.csv cannot be written"),
        (("trades", ID, "--start", "12:00"), "--start: '12:00' is no time"),
        (("footprint", ID, "2026-01-07", "7x"), "'7x' is no timeframe"),
        (("footprint", ID, "soon", "1m"), "START: 'soon' is no time"),
        (("footprint", ID, "2026-01-07", "1m", "--last", "2"), "START names one bar; for many leave it out"),
        (("explain", ID, "soon", "1m"), "START: 'soon' is no time"),
        (("candles", ID), "Missing argument 'timeframe'"),
        (("candles", ID, "1m", "--colour", "red"), "No such option: --colour"),
        (("candels", ID, "1m"), "there is no command "),
    ],
)  # fmt: skip
def test_a_mistake_ends_with_one_sentence_and_status_two(gapless, arguments, sentence):
    status, out, err = gapless(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("gapless: ")
    assert sentence in err
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_a_store_that_is_not_there_is_a_mistake_and_is_not_made(gapless, tmp_path):
    for command in (("candles", ID, "1m"), ("trades", ID), ("audit",), ("instruments",), ("explain", ID, "now", "1m")):
        status, out, err = gapless(*command, store=str(tmp_path / "none.db"))
        assert (status, out) == (2, "")
        assert "there is no store at" in err
    assert list(tmp_path.iterdir()) == []


def test_a_store_of_a_newer_version_or_of_something_else_could_not_be_read(gapless, tmp_path):
    newer = tmp_path / "newer.db"
    store = SqliteStore(str(newer), environment="live")
    store.connection.execute("PRAGMA user_version = 99")
    store.close()
    other = tmp_path / "other.db"
    other.write_bytes(b"nothing of the kind" * 100)
    for file, sentence in ((newer, "a newer gapless wrote it and must open it"), (other, "file is not a database")):
        status, out, err = gapless("candles", ID, "1m", store=str(file))
        assert (status, out) == (3, "")
        assert sentence in err
        assert err.count("\n") == 1


def test_a_store_of_several_environments_asks_for_one(gapless, tmp_path):
    file = str(tmp_path / "two.db")
    for name in ("demo", "sim"):
        SqliteStore(file, environment=name).put_instrument(
            replace(Book().store.instruments()[0], symbol=f"{name.upper()}USDT", base=name.upper())
        )
    status, _, err = gapless("instruments", store=file)
    assert (status, err) == (2, "gapless: the store holds demo and sim; name one with --environment\n")
    assert "SIMUSDT" in gapless("instruments", "--environment", "sim", store=file)[1]


# Import


def test_import_says_what_it_did_and_twice_changes_nothing(gapless, tmp_path):
    file = tmp_path / "BTCUSDT-aggTrades-2026-02-02.csv"
    file.write_text("".join(f"{n},100.5,1,{n},{n},{1_770_000_000_000 + n},true\n" for n in range(1, 4)))
    store = str(tmp_path / "new.db")
    status, out, _ = gapless("import", str(file), "--venue", "binance", store=store)
    assert (status, out) == (
        0, f"{file.name}: binance:BTCUSDT agg, 3 rows (no checksum file, own sha256 kept)\n",
    )  # fmt: skip
    status, out, _ = gapless("import", str(file), "--venue", "binance", "--json", store=store)
    (done,) = json.loads(out)
    assert (status, done["added"], done["rows"], done["verified"]) == (0, False, 0, False)


@pytest.mark.parametrize(
    ("name", "venue", "sentence"),
    [
        (
            "BTCUSDT-aggTrades-2026-02-02.csv",
            "binanse",
            "there is no venue 'binanse'; allowed are binance, ",
        ),
        ("notes.txt", "binance", "'notes.txt' is no archive file of binance; allowed are names such as"),
        ("absent.csv", "binance", "there is no file"),
    ],
)
def test_what_cannot_be_imported_is_one_sentence(gapless, tmp_path, name, venue, sentence):
    if name != "absent.csv":
        (tmp_path / name).write_text("1,2,3\n")
    status, _, err = gapless("import", str(tmp_path / name), "--venue", venue, store=str(tmp_path / "new.db"))
    assert status == 2
    assert sentence in err


# As a process


def test_the_module_runs_as_a_process_with_the_store_of_the_environment(path):
    command = [sys.executable, "-m", "gapless", "candles", ID, "1m", "--last", "2", "--format", "csv"]
    environment = {"GAPLESS_STORE": f"sqlite:///{path}"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(table(done.stdout)) == 2


def test_a_pipe_that_closes_early_is_no_error(path):
    shell = f"{sys.executable} -m gapless trades {ID} --store {path} --format csv | head -1"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout == "seq,time,price,size,side,fills,first_fill\n"
    assert "Traceback" not in done.stderr


def test_a_permanent_hole_is_named_with_its_reason_apart_from_what_may_still_come(gapless, tmp_path):
    book = Book(path=str(tmp_path / "lost.db"))
    gap = Gap(tape=book.tape.id, first=5, last=9, opened=T0, cause="disconnect")
    book.trades(ROWS[:4])
    book.trades([row for row in ROWS if row.seq > 9], gaps=[(book.tape, gap)])
    lost = replace(gap, first=6, last=7, state="permanent", closed=T0, cause="", reason="no source has it")
    book.commit(wanted=[(book.tape, 1, 40)], gaps=[(book.tape, lost)])
    detail = {"ids": 2, "source": "archive", "weight": 0, "ms": 900, "why": "41,240 weight by rest"}
    book.commit(events=[("repaired", book.tape.name, detail, T0 + 1)])
    book.store.close()
    store = f"sqlite:///{tmp_path / 'lost.db'}"
    status, out, _ = gapless("audit", store=store)
    holes = [
        line.strip().split("), ")[0] + "), " + line.rsplit("Z, ")[-1] for line in out.splitlines() if "HOLE" in line
    ]
    assert status == 1
    assert [line.partition(" (")[0] for line in holes] == ["HOLE 5 to 5", "HOLE 6 to 7", "HOLE 8 to 9"]
    assert holes[1].endswith("permanent: disconnect no source has it")
    assert holes[0].endswith("open: disconnect")
    status, out, _ = gapless("explain", ID, "2026-01-07T12:01Z", "2m", store=store)
    assert (
        "6 to 7 (2 ids), disconnect at 2026-01-07T12:00:00Z, permanent at 2026-01-07T12:00:00Z: no source has it" in out
    )
    assert "    archive: 1 answer of weight 0 in 900 ms (41,240 weight by rest)" in out


def test_the_version_and_the_commands_are_told_without_a_mistake(capsys) -> None:
    assert (run(["--version"]), capsys.readouterr().out) == (0, f"gapless {__version__}\n")
    assert run([]) == 0
    assert "Commands:" in capsys.readouterr().out
