"""Archive files onto the tape: every form of them, exactly, once, or one sentence and nothing changed."""

import csv
import gzip
import hashlib
import io
import json
import time
import zipfile
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
import zstandard

from gapless.collect.importing import import_file
from gapless.errors import BadFile, BadInput, UnknownName
from gapless.model import Evidence, Origin, Proof, Span, State, Timeframe
from gapless.model.number import plain
from gapless.query.audit import audit
from gapless.query.market import Market
from gapless.query.present import candle_rows
from gapless.store.sqlite import SqliteStore
from gapless.venues.registry import venue

USDM, SPOT = venue("binance"), venue("binance-spot")
T = 1_770_000_000_000  # 2026-02-02T02:40:00Z, ms
FIELDS = (
    "open", "high", "low", "close", "volume", "quote_volume", "count", "taker_buy_volume", "taker_buy_quote_volume",
)  # fmt: skip
MAKER = ("false", "true")
AGGS = [
    f"{n},{100 + n % 3}.{n % 10}0,{n % 4 + 1}.500,{10 * n},{10 * n + n % 3},{T + n * 7_000},{MAKER[n % 2]}"
    for n in range(1, 40)
]
AGG_HEADER = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"


@pytest.fixture
def store() -> SqliteStore:
    return SqliteStore(":memory:", environment="live")


def write(folder: Path, name: str, lines: list[str], *, header: str | None = None, checksum: str | None = None) -> Path:
    text = "\n".join([*([header] if header else []), *lines]) + "\n"
    path = folder / name
    raw = text.encode()
    if name.endswith(".zip"):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name.removesuffix(".zip") + ".csv", raw)
        raw = packed.getvalue()
    elif name.endswith(".gz"):
        raw = gzip.compress(raw)
    elif name.endswith(".zst"):
        raw = zstandard.ZstdCompressor().compress(raw)
    path.write_bytes(raw)
    if checksum is not None:
        digest = hashlib.sha256(raw).hexdigest() if checksum == "right" else checksum
        (folder / (name + ".CHECKSUM")).write_text(f"{digest}  {name}\n")
    return path


def state(store: SqliteStore) -> list[str]:
    return [line for line in store.connection.iterdump() if "INSERT INTO" in line]


def aggs(store: SqliteStore):
    (tape,) = [tape for tape in store.tapes() if tape.kind == "agg"]
    return tape, store.trades(tape.id, 0, 2**62)


# Forms


@pytest.mark.parametrize("header", [None, AGG_HEADER], ids=["bare", "headed"])
@pytest.mark.parametrize("suffix", ["zip", "csv", "csv.gz", "csv.zst"])
def test_every_form_of_an_archive_gives_the_same_tape(store, tmp_path, suffix, header):
    done = import_file(store, USDM, write(tmp_path, f"BTCUSDT-aggTrades-2026-02-02.{suffix}", AGGS, header=header))
    assert (done.instrument, done.kind, done.rows, done.added, done.verified) == (
        "binance:BTCUSDT",
        "agg",
        39,
        True,
        False,
    )
    tape, rows = aggs(store)
    assert (tape.price_digits, tape.size_digits, tape.tick) == (1, 1, 1)
    expected = [line.split(",") for line in AGGS]
    for row, fields in zip(rows, expected, strict=True):
        assert [plain(row.price, 1) + "0", plain(row.size, 1) + "00"] == fields[1:3]
        assert [row.seq, row.first_fill, row.first_fill + row.fills - 1] == [int(fields[n]) for n in (0, 3, 4)]
        assert (row.time, row.side) == (int(fields[5]) * 10**6, -1 if fields[6] == "true" else 1)
    assert store.all_spans(tape.id) == [Span(1, 39, Evidence.ARCHIVE)]
    assert store.wanted(tape.id) == store.kept(tape.id) == [(1, 39)]


@pytest.mark.parametrize("unit", [1, 1_000])
@pytest.mark.parametrize("maker", ["True", "true"])
def test_spot_files_of_either_unit_and_spelling_are_the_same(store, tmp_path, unit, maker):
    """Spot writes microseconds since 2025, True instead of true, and one column more."""
    lines = [f"{n},1.50000000,2.00000000,{n},{n},{(T + n) * unit},{maker},True" for n in range(1, 4)]
    import_file(store, SPOT, write(tmp_path, "SHIBUSDT-aggTrades-2026-02-02.zip", lines))
    _, rows = aggs(store)
    assert [(row.time, row.price, row.size, row.side) for row in rows] == [
        ((T + n) * 10**6, 15, 2, -1) for n in (1, 2, 3)
    ]


def test_single_trades_have_holes_in_their_ids_that_are_voids(store, tmp_path):
    ids = [5, 6, 9, 10]
    lines = [f"{n},1.5,2,3.0,{T + n},true" for n in ids]
    import_file(store, USDM, write(tmp_path, "BTCUSDT-trades-2026-02-02.csv", lines))
    (found,) = audit(store)
    assert (found.wanted, found.held, found.rows, found.voids, found.holes) == (6, 6, 4, 2, [])


def test_consecutive_ids_that_jump_inside_a_file_are_a_hole_and_not_vouched_for(store, tmp_path):
    lines = [line for line in AGGS if int(line.split(",")[0]) not in (7, 8, 30)]
    import_file(store, USDM, write(tmp_path, "BTCUSDT-aggTrades-2026-02-02.csv", lines))
    (found,) = audit(store)
    assert [(hole.first, hole.last) for hole in found.holes] == [(7, 8), (30, 30)]
    assert found.voids == 0


def test_rows_that_are_interleaved_or_doubled_are_put_in_order(store, tmp_path):
    lines = [*AGGS[20:], *AGGS[:20], AGGS[3], AGGS[30]]
    import_file(store, USDM, write(tmp_path, "BTCUSDT-aggTrades-2026-02-02.csv", lines))
    tape, rows = aggs(store)
    assert [row.seq for row in rows] == list(range(1, 40))
    assert store.all_spans(tape.id) == [Span(1, 39, Evidence.ARCHIVE)]


def test_files_of_adjacent_days_join_whatever_comes_first(tmp_path):
    ends = []
    for order in ((0, 1), (1, 0)):
        store = SqliteStore(":memory:", environment="live")
        parts = [AGGS[:21], AGGS[20:]]  # id 21 is in both
        for part in order:
            import_file(store, USDM, write(tmp_path, f"BTCUSDT-aggTrades-2026-02-0{part + 1}.csv", parts[part]))
        tape, rows = aggs(store)
        candles = store.candles("binance:BTCUSDT", 0, 2**62)
        ends.append((
            store.all_spans(tape.id), store.wanted(tape.id), [row.seq for row in rows],
            [(c.start, c.volume, c.proof) for c in candles],
        ))  # fmt: skip
    assert ends[0] == ends[1]
    assert ends[0][0] == [Span(1, 39, Evidence.ARCHIVE)]


def test_a_later_file_with_more_digits_changes_no_value(store, tmp_path):
    import_file(store, USDM, write(tmp_path, "BTCUSDT-aggTrades-2026-02-01.csv", AGGS[:20]))
    finer = [line.replace(".500,", ".5001,") for line in AGGS[20:]]
    import_file(store, USDM, write(tmp_path, "BTCUSDT-aggTrades-2026-02-02.csv", finer))
    tape, rows = aggs(store)
    assert tape.size_digits == 4
    assert [Decimal(plain(row.size, 4)) for row in rows] == [Decimal(line.split(",")[2]) for line in AGGS[:20] + finer]


def test_two_days_of_which_a_year_lies_between_are_imported_in_no_time(store, tmp_path):
    """Nothing is wanted between them, and no minute of that year is looked at."""
    later = []
    for line in AGGS:
        seq, price, size, first, last, at, maker = line.split(",")
        moved = (
            int(seq) + 10**6,
            price,
            size,
            int(first) + 10**8,
            int(last) + 10**8,
            int(at) + 365 * 86_400_000,
            maker,
        )
        later.append(",".join(map(str, moved)))
    import_file(store, USDM, write(tmp_path, "BTCUSDT-aggTrades-2026-02-02.csv", AGGS))
    began = time.monotonic()
    import_file(store, USDM, write(tmp_path, "BTCUSDT-aggTrades-2027-02-02.csv", later))
    assert time.monotonic() - began < 1
    tape, _ = aggs(store)
    assert store.wanted(tape.id) == [(1, 39), (1_000_001, 1_000_039)]
    proofs = [candle.proof for candle in store.candles("binance:BTCUSDT", 0, 2**62)]
    assert proofs == [Proof.PARTIAL, *[Proof.REPAIRED] * (len(proofs) // 2 - 2), Proof.PARTIAL] * 2


# Once


@pytest.mark.parametrize("form", ["same file", "other form"])
def test_importing_twice_changes_nothing(store, tmp_path, form):
    import_file(store, USDM, write(tmp_path, "BTCUSDT-aggTrades-2026-02-02.zip", AGGS))
    before = state(store)
    if form == "same file":
        again = import_file(store, USDM, tmp_path / "BTCUSDT-aggTrades-2026-02-02.zip")
        assert (again.added, again.rows) == (False, 0)
        assert state(store) == before
    else:
        import_file(store, USDM, write(tmp_path, "BTCUSDT-aggTrades-2026-02-02.csv", AGGS, header=AGG_HEADER))
        assert [line for line in state(store) if "archive" not in line] == [
            line for line in before if "archive" not in line
        ]


def test_a_checksum_beside_a_file_is_honoured(store, tmp_path):
    path = write(tmp_path, "BTCUSDT-aggTrades-2026-02-02.zip", AGGS, checksum="right")
    assert import_file(store, USDM, path).verified
    wrong = write(tmp_path, "BTCUSDT-aggTrades-2026-02-03.zip", AGGS[20:], checksum="0" * 64)
    before = state(store)
    with pytest.raises(
        BadFile, match=r"does not match its checksum in BTCUSDT-aggTrades-2026-02-03.zip.CHECKSUM; fetch"
    ):
        import_file(store, USDM, wrong)
    assert state(store) == before


def test_a_file_that_the_venue_replaced_is_taken_again(store, tmp_path):
    import_file(store, USDM, write(tmp_path, "BTCUSDT-aggTrades-2026-02-02.csv", AGGS[:20]))
    again = import_file(store, USDM, write(tmp_path, "BTCUSDT-aggTrades-2026-02-02.csv", AGGS))
    assert again.added
    assert len(aggs(store)[1]) == 39


# What is no archive


@pytest.mark.parametrize(
    ("name", "lines", "sentence"),
    [
        ("BTCUSDT-aggTrades-2026-02-02.csv", [AGGS[0], "1,2,3"], "line 2 has 3 fields where 7 are allowed"),
        ("BTCUSDT-aggTrades-2026-02-02.csv", [], "it holds no rows"),
        ("BTCUSDT-aggTrades-2026-02-02.csv", [AGG_HEADER], "it holds no rows"),
        (
            "BTCUSDT-aggTrades-2026-02-02.csv",
            ["1,abc,1,1,1,1,true"],
            "is no plain decimal number",
        ),
        ("BTCUSDT-aggTrades-2026-02-02.csv", ["x,1,1,1,1,1,true", "y,1,1,1,1,1,true"], "is not of the venue's format"),
        ("BTCUSDT-trades-2026-02-02.csv", ["1,1,nan,1,1,true"], "is no plain decimal number"),
        (
            "BTCUSDT-trades-2026-02-02.csv",
            ["1,99999999999999999999,1,1,1,true"],
            "does not fit into 64 bits",
        ),
    ],
)
def test_a_file_that_is_not_what_its_name_says_changes_nothing(store, tmp_path, name, lines, sentence):
    before = state(store)
    with pytest.raises(BadFile, match=sentence) as refusal:
        import_file(store, USDM, write(tmp_path, name, lines))
    assert name in str(refusal.value)
    assert state(store) == before


@pytest.mark.parametrize("suffix", ["zip", "csv.gz", "csv.zst"])
@pytest.mark.parametrize("damage", ["truncated", "garbage", "flipped"])
def test_a_damaged_file_is_refused_and_changes_nothing(store, tmp_path, suffix, damage):
    path = write(tmp_path, f"BTCUSDT-aggTrades-2026-02-02.{suffix}", AGGS * 20)
    raw = bytearray(path.read_bytes())
    if damage == "truncated":
        raw = raw[: len(raw) * 2 // 3]
    elif damage == "garbage":
        raw = bytearray(b"this is no archive" * 40)
    else:
        for at in range(len(raw) // 2, len(raw) // 2 + 40):
            raw[at] ^= 0xFF
    path.write_bytes(bytes(raw))
    before = state(store)
    with pytest.raises(BadFile, match="is corrupt or truncated"):
        import_file(store, USDM, path)
    assert state(store) == before


def test_a_zip_with_two_files_is_refused(store, tmp_path):
    path = tmp_path / "BTCUSDT-aggTrades-2026-02-02.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("a.csv", "b.csv"):
            archive.writestr(name, "\n".join(AGGS))
    with pytest.raises(BadFile, match="holds 2 CSV files; exactly one is allowed"):
        import_file(store, USDM, path)


@pytest.mark.parametrize("name", ["trades.csv", "BTCUSDT-5m-2026-02-02.zip", "BTCUSDT-aggTrades.zip", "x.txt"])
def test_a_name_that_says_nothing_is_answered_with_what_is_allowed(store, tmp_path, name):
    (tmp_path / name).write_text("1")
    with pytest.raises(BadInput, match="is no archive file of binance; allowed are names such as BTCUSDT-aggTrades"):
        import_file(store, USDM, tmp_path / name)


def test_a_file_that_is_not_there_is_named(store, tmp_path):
    with pytest.raises(UnknownName, match=r"there is no file .*BTCUSDT-1m-2026-02.csv"):
        import_file(store, USDM, tmp_path / "BTCUSDT-1m-2026-02.csv")


# Recorded files


def klines(path: Path) -> dict[int, list[Decimal]]:
    text = zstandard.decompress(path.read_bytes()).decode() if path.suffix == ".zst" else path.read_text()
    return {int(row["open_time"]): [Decimal(row[name]) for name in FIELDS] for row in csv.DictReader(io.StringIO(text))}


def held(market: Market, instrument: str, **kwargs) -> dict[int, list[Decimal]]:
    answer = market.candles(market.instrument(instrument), Timeframe(1), **kwargs)
    names = [{"count": "trades"}.get(name, name) for name in FIELDS]
    rows = [row for row in candle_rows(answer, epoch="ms") if row["open"]]
    return {row["start"]: [Decimal(row[name]) for name in names] for row in rows}


@pytest.mark.parametrize(("symbol", "quiet"), [("NEARUSDT", 0), ("ALGOUSDT", 22)])
def test_a_recorded_month_is_held_on_all_nine_fields(store, real_data, symbol, quiet):
    path = real_data / f"binance-usdm/{symbol}-1m-2026-02.csv.zst"
    done = import_file(store, USDM, path)
    assert (done.rows, done.kind) == (40_320, "bars")
    assert held(Market(store), symbol) == klines(path)
    candles = store.candles(f"binance:{symbol}", 0, 2**62)
    assert {candle.proof for candle in candles} == {Proof.OFFICIAL}
    assert sum(candle.state is State.EMPTY for candle in candles) == quiet
    (found,) = audit(store)
    assert (found.wanted, found.held, found.rows, found.holes) == (40_320, 40_320, 40_320, [])


@pytest.fixture(scope="module")
def archives(real_data, tmp_path_factory) -> Path:
    """The recorded trades, written as the venue's archive of single trades would be."""
    folder = tmp_path_factory.mktemp("archives")
    with gzip.open(real_data / "binance-usdm/btcusdt_20240808.raw.gz", "rt") as lines:
        data = [json.loads(line.partition(" ")[2])["data"] for line in lines if '"btcusdt@trade"' in line]
    btc = [f"{d['t']},{d['p']},{d['q']},0,{d['T']},{'true' if d['m'] else 'false'}" for d in data]
    write(folder, "BTCUSDT-trades-2024-08-08.zip", btc, header="id,price,qty,quote_qty,time,is_buyer_maker")
    with gzip.open(real_data / "binance-usdm/trxusdt_trades_20250304.csv.gz", "rt") as file:
        rows = [row for row in csv.DictReader(file) if Decimal(row["Quantity"])]
    trx = [
        f"{d['TradeId']},{d['Price']},{d['Quantity']},0,{d['TransactionTime']},{MAKER[int(d['IsBuyerMarketMaker'])]}"
        for d in rows
    ]
    write(folder, "TRXUSDT-trades-2025-03-04.csv.gz", trx)
    return folder


@pytest.mark.parametrize(
    ("archive", "bars", "first", "count"),
    [
        ("BTCUSDT-trades-2024-08-08.zip", "BTCUSDT-1m-2024-08-08T2340_2024-08-09T0010.csv", 1_723_161_300_000, 5),
        ("TRXUSDT-trades-2025-03-04.csv.gz", "TRXUSDT-1m-2025-03-03T2356_2025-03-04T0024.csv", 1_741_046_460_000, 15),
    ],
)
def test_minutes_of_recorded_trades_equal_the_exchanges_klines_on_all_nine_fields(
    store, real_data, archives, archive, bars, first, count
):
    import_file(store, USDM, archives / archive)
    official = klines(real_data / "binance-usdm" / bars)
    market, symbol = Market(store), archive.partition("-")[0]
    minutes = [first + n * 60_000 for n in range(count)]
    ours = held(market, symbol)
    assert [ours[at] for at in minutes] == [official[at] for at in minutes]
    entered = first - 60_000  # the recording begins in the middle of it
    assert (ours[entered] == official[entered]) == (symbol == "TRXUSDT")  # there it began between two trades
    before = {c.start // 10**6: c for c in store.candles(f"binance:{symbol}", 0, 2**62)}
    assert (before[entered].proof, before[entered].edge) == (Proof.PARTIAL, True)
    assert all(before[at].proof is Proof.REPAIRED for at in minutes[:-1])
    import_file(store, USDM, real_data / "binance-usdm" / bars)
    after = {c.start // 10**6: c for c in store.candles(f"binance:{symbol}", 0, 2**62)}
    assert after[entered].proof is Proof.OFFICIAL
    assert all(after[at].proof is Proof.REPAIRED and after[at].origin is Origin.VENUE for at in minutes[:-1])
    assert not any(candle.proof is Proof.DISPUTED for candle in after.values())
    assert {at: held(market, symbol, basis="tape")[at] for at in minutes} == {at: official[at] for at in minutes}


def closed(folder: Path, name: str, minutes: int) -> dict[int, list[Decimal]]:
    """Read bars that are named by their close time in +01:00, by their start in ms."""
    with gzip.open(folder / "binance-spot" / name, "rt") as file:
        rows = list(csv.DictReader(file))
    return {
        round(datetime.fromisoformat(row["close_datetime"]).timestamp() / 60 - minutes) * 60_000: [
            Decimal(row[n]) for n in ("open", "high", "low", "close", "volume")
        ]
        for row in rows
    }


def test_a_month_of_minutes_folds_to_the_exchanges_own_quarters(real_data, tmp_path, store):
    """1m and 15m were fetched separately."""
    lines = [
        f"{start},{v[0]},{v[1]},{v[2]},{v[3]},{v[4]},{start + 59_999},0,{1 if v[4] else 0},0,0,0"
        for start, v in closed(real_data, "btcusdt_1m_202412.csv.gz", 1).items()
    ]
    import_file(store, SPOT, write(tmp_path, "BTCUSDT-1m-2024-12.csv", lines))
    quarters = closed(real_data, "btcusdt_15m_2024.csv.gz", 15)
    market = Market(store)
    answer = market.candles(market.instrument("binance-spot:BTCUSDT"), Timeframe(15))
    equal = compared = 0
    for bar, row in zip(answer.rows, candle_rows(answer, epoch="ms"), strict=True):
        if row["start"] in quarters and bar.proof is not Proof.PARTIAL:
            compared += 1
            equal += [Decimal(row[n]) for n in ("open", "high", "low", "close", "volume")] == quarters[row["start"]]
    assert (equal, compared) == (2_784, 2_784)
