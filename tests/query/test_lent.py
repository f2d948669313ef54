"""What the venue's bar does not tell: lent by whole trades, unknown without them, on every face, and never a zero."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from serving import served
from swaps import SWAP, Execution, Swap, by_minute, candle, market

import gapless
from gapless.cli.app import run

NOON = datetime(2026, 1, 7, 12, tzinfo=UTC)
ID = SWAP.id
TAKERS = market(95)
EXECUTIONS = [one for fills in TAKERS for one in fills]
LOST = 6  # the minute of which one execution is not held, so that the venue's bar stands alone
MINUTES = range(1, 10)


def held() -> list[list[Execution]]:
    lost = [fills for fills in TAKERS if fills[0].ms // 60_000 == LOST][3]
    return [fills for fills in TAKERS if fills is not lost]


@pytest.fixture(scope="module", params=["trade", "span"])
def path(request, tmp_path_factory) -> str:
    file = str(tmp_path_factory.mktemp("lent") / "market.db")
    swap = Swap(request.param, file)
    swap.takers(held())
    for minute in MINUTES:
        swap.hear("candle1m", [candle(EXECUTIONS, minute)])
    swap.commit()
    swap.close_due()
    swap.store.close()
    return file


@pytest.fixture(params=["store", "http"])
def opened(path, request):
    if request.param == "store":
        with gapless.open(path) as one:
            yield one
    else:
        with served(path) as address, gapless.open(address) as one:
            yield one


def counted(minute: int) -> tuple[int, Decimal, Decimal]:
    """The oracle: executions, base bought by takers, and what they paid."""
    inside = by_minute(EXECUTIONS)[minute]
    bought = [one for one in inside if one.side == "buy"]
    return len(inside), sum(one.size for one in bought), sum(one.size * Decimal(one.px) for one in bought)


def test_bars_agreed_with_tell_all_nine_values_and_the_one_alone_what_its_venue_told(opened):
    rows = opened.candles(ID, "1m", start=NOON + timedelta(minutes=1), end=NOON + timedelta(minutes=10))
    assert [row.proof for row in rows] == ["official" if minute == LOST else "proven" for minute in MINUTES]
    for minute, row in zip(MINUTES, rows, strict=True):
        told = (row.trades, row.taker_buy_volume, row.taker_buy_quote_volume)
        assert told == ((None, None, None) if minute == LOST else counted(minute))
        assert (row.volume, row.quote_volume) == (
            sum(one.size for one in by_minute(EXECUTIONS)[minute]),
            sum(one.size * Decimal(one.px) for one in by_minute(EXECUTIONS)[minute]),
        )


def test_longer_bars_know_no_count_where_one_minute_has_none(opened):
    first, second = opened.candles(ID, "5m", start=NOON, end=NOON + timedelta(minutes=10))
    assert (second.trades, second.taker_buy_volume, second.taker_buy_quote_volume) == (None, None, None)
    assert second.volume == sum(one.size for minute in range(5, 10) for one in by_minute(EXECUTIONS)[minute])
    assert first.trades == sum(counted(minute)[0] for minute in range(5))
    (three,) = opened.candles(ID, "3m", start=NOON + timedelta(minutes=3), end=NOON + timedelta(minutes=6))
    assert (three.trades, three.proof) == (sum(counted(minute)[0] for minute in range(3, 6)), "proven")


def test_frames_hold_what_is_unknown_as_nothing(opened):
    rows = opened.candles(ID, "1m", start=NOON + timedelta(minutes=5), end=NOON + timedelta(minutes=8))
    polars, pandas, arrow = rows.to_polars(), rows.to_pandas(), rows.to_arrow()
    known = counted(5)[0], counted(7)[0]
    assert polars["trades"].to_list() == [known[0], None, known[1]]
    assert arrow.column("taker_buy_volume").null_count == 1
    assert pandas["trades"].isna().tolist() == [False, True, False]
    assert [len(row) for row in rows.to_ohlcv()] == [6, 6, 6]


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_commands_print_what_is_unknown_without_a_value(path, capsys, form):
    span = ["--start", "2026-01-07T12:05Z", "--end", "2026-01-07T12:10Z", "--store", path, "--format", form]
    commands = [
        ["candles", ID, "1m", *span],
        ["candles", ID, "5m", *span],
        ["explain", ID, "2026-01-07T12:05Z", "5m", "--store", path],
        ["candles", ID, "1m", "--with", "vwap", "--with", "sma:2", *span],
    ]
    for command in commands:
        status = run(command)
        out, error = capsys.readouterr()
        assert (status, "None" in out, "Error" in error) == (0, False, False)


def test_explain_compares_what_both_tell_and_names_no_difference_in_what_one_does_not(path, capsys):
    assert run(["explain", ID, "2026-01-07T12:05Z", "5m", "--store", path, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [minute["difference"] for minute in told["minutes"] if minute["proof"] == "proven"] == [{}] * 4
    assert {minute["verdict"] for minute in told["minutes"]} == {"equal", None}
    assert [minute["venue"]["trades"] for minute in told["minutes"]] == [None] * 5
    assert (told["ids"]["voids"], told["ids"]["held"]) == (0, told["ids"]["rows"])
