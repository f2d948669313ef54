"""Pages of history: what cannot be right is turned away, what is right never."""

import csv
import gzip
import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gapless.model import MINUTE, MS, SECOND, Bar, Trade
from gapless.tape.page import bar_runs, left_out, runs, wrong_bars, wrong_trades

START = 1_767_787_200 * SECOND


def row(seq: int, time: int) -> Trade:
    return Trade(seq, time, 100, 1, 1, 1, seq, 0)


def bar(minute: int, *, low: int = 90, high: int = 110, shift: int = 0) -> Bar:
    return Bar(START + minute * MINUTE + shift, 100, high, low, 100, 1, 100, 1, 1, 100)


@st.composite
def tape(draw: st.DrawFn) -> list[Trade]:
    """A stretch of a tape: ids one after another, times that never run back by more than a second."""
    count = draw(st.integers(3, 60))
    steps = draw(st.lists(st.integers(-900, 4_000_000), min_size=count, max_size=count))
    time, newest, rows = START, START, []
    for number, step in enumerate(steps):
        time = max(time + step * MS, newest - 900 * MS)
        newest = max(newest, time)
        rows.append(row(1_000 + number, time))
    return rows


@settings(deadline=None)
@given(tape(), st.data())
def test_a_true_page_is_never_turned_away(whole: list[Trade], data: st.DataObject) -> None:
    first = data.draw(st.integers(1, len(whole) - 2))
    last = data.draw(st.integers(first, len(whole) - 2))
    sides = {
        "before": (whole[first - 1].seq, whole[first - 1].time),
        "after": (whole[last + 1].seq, whole[last + 1].time),
    }
    page = whole[first : data.draw(st.integers(first + 1, len(whole)))]  # pages may reach beyond the hole
    assert wrong_trades(page, whole[first].seq, by_id=True, **sides) is None
    assert left_out(page, whole[first].seq) == []
    assert runs(page) == [(page[0].seq, page[-1].seq)]


@settings(deadline=None)
@given(tape(), st.integers(0, 10**8))
def test_rows_of_another_symbol_with_the_same_ids_are_known_by_their_times(whole: list[Trade], apart: int) -> None:
    times = [one.time for one in whole]
    away = (max(times) - min(times)) + 2 * MINUTE + apart * SECOND
    before, after = (whole[0].seq, whole[0].time), (whole[-1].seq, whole[-1].time)
    later = [row(one.seq, one.time + away) for one in whole[1:-1]]
    assert wrong_trades(later, whole[1].seq, by_id=True, after=after)
    earlier = [row(one.seq, one.time - away) for one in whole[1:-1]]
    assert wrong_trades(earlier, whole[1].seq, by_id=True, before=before)


def test_a_page_from_before_what_was_asked_is_turned_away() -> None:
    page = [row(3, START), row(4, START)]
    assert wrong_trades(page, 4, by_id=True) == "asked from id 4 it begins with id 3"
    assert wrong_trades(page, 4, by_id=False) is None  # the newest there are: whatever they begin with


def test_an_id_that_comes_twice_and_a_time_that_runs_back_are_turned_away() -> None:
    assert wrong_trades([row(4, START), row(4, START)], 4, by_id=True) == "id 4 comes twice"
    back = wrong_trades([row(4, START), row(5, START - 2 * MINUTE)], 4, by_id=True)
    assert back == "the time of id 5 runs back to 2026-01-07T11:58:00Z from 2026-01-07T12:00:00Z"


def test_what_a_page_leaves_out_is_named() -> None:
    page = [row(number, START) for number in (6, 7, 9)]
    assert (left_out(page, 4), runs(page)) == ([(4, 5), (8, 8)], [(6, 7), (9, 9)])


def test_bars_of_another_time_twice_beside_the_minute_or_upside_down_are_turned_away() -> None:
    end = START + 5 * MINUTE
    assert wrong_bars([bar(0), bar(1), bar(4)], START, end) is None
    wrong = [[bar(-1)], [bar(5)], [bar(1), bar(1)], [bar(2), bar(1)], [bar(1, shift=MS)], [bar(1, low=111)]]
    assert all(wrong_bars(bars, START, end) for bars in wrong)
    assert [len(run) for run in bar_runs([bar(0), bar(1), bar(4)])] == [2, 1]


def test_pages_of_a_recorded_market_are_never_turned_away(real_data: Path) -> None:
    """Trades as they were sent: any 500 of them in a row, between the rows on either side."""
    rows: list[Trade] = []
    with gzip.open(real_data / "binance-usdm" / "btcusdt_20240808.raw.gz", "rt") as lines:
        for line in lines:
            said = json.loads(line.split(" ", 1)[1])
            event = said.get("data", said) if isinstance(said, dict) else {}
            if event.get("e") == "trade":
                rows.append(row(event["t"], event["T"] * MS))
    rows = list({one.seq: one for one in sorted(rows, key=lambda one: one.seq)}.values())
    assert len(rows) > 5_000
    for at in range(1, len(rows) - 501, 250):
        before, after = rows[at - 1], rows[at + 500]
        sides = {"before": (before.seq, before.time), "after": (after.seq, after.time)}
        assert wrong_trades(rows[at : at + 500], rows[at].seq, by_id=True, **sides) is None


def test_recorded_bars_are_never_turned_away(real_data: Path) -> None:
    found = list((real_data / "binance-usdm").glob("*-1m-*.csv"))
    assert found
    for file in found:
        with file.open() as lines:
            scaled = [
                [int(float(r[name]) * 1e8) for name in ("open", "high", "low", "close")] + [int(r["open_time"]) * MS]
                for r in csv.DictReader(lines)
            ]
        bars = [Bar(t, o, h, low, c, 1, 1, 1, 1, 1) for o, h, low, c, t in scaled]
        assert wrong_bars(bars, bars[0].start, bars[-1].start + MINUTE) is None
