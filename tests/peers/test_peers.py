"""The arithmetic of the comparison: what a client lost is told exactly, and nothing else is held against it."""

import json
import sys
from pathlib import Path

import pytest
from peers.__main__ import lacking, main, options
from peers.clients.record import Record
from peers.judge import Delivered, Loss, Truth, bar, delivered_of, judge, trade, truth_of
from peers.play import Played
from peers.rows import CONDITIONS, GAPLESS, Client
from peers.show import COLUMNS, lines, markdown

from gapless.sim.faults.script import entry_from

MINUTE = 60_000


def sent(*numbers):
    return [trade(number, "100.5", "0.010", 1_000 * number, False) for number in numbers]


def compared(given, rows=None, bars=(), held=()):
    truth = Truth(trades={"BTCUSDT": rows or sent(*range(1, 11))}, bars={"BTCUSDT": list(bars)})
    return judge(truth, Delivered(trades={"BTCUSDT": given}, bars={"BTCUSDT": {row[0]: row for row in held}}))


def test_a_client_that_delivered_everything_lost_nothing():
    assert compared(sent(*range(1, 11))) == Loss(sent=10, delivered=10)


def test_what_was_sent_before_the_first_delivery_is_not_held_against_a_client():
    assert compared(sent(4, 5, 6, 7, 8, 9, 10)) == Loss(sent=7, delivered=7)


def test_what_a_client_fetched_from_before_the_play_counts_neither_way():
    assert compared(sent(*range(-5, 11))) == Loss(sent=10, delivered=10)


def test_the_longest_hole_lasts_from_the_trade_before_it_to_the_one_after_it():
    found = compared(sent(1, 3, 4, 8, 9, 10))
    assert (found.missing, found.hole_ids, found.hole_s) == (4, 3, 4.0)


def test_a_hole_at_the_end_is_a_hole():
    found = compared(sent(1, 2, 3, 4, 5, 6, 7))
    assert (found.missing, found.hole_ids, found.hole_s) == (3, 3, 3.0)


def test_a_symbol_of_which_nothing_came_is_missing_as_a_whole():
    found = compared([])
    assert (found.sent, found.delivered, found.missing, found.hole_ids) == (10, 0, 10, 10)


def test_a_doubled_trade_is_told_and_delivered_once():
    assert compared(sent(1, 2, 2, 2, *range(3, 11))) == Loss(sent=10, delivered=10, doubled=2)


def test_a_trade_behind_a_later_one_is_out_of_order_and_not_missing():
    assert compared(sent(1, 2, 4, 3, *range(5, 11))) == Loss(sent=10, delivered=10, disordered=1)


@pytest.mark.parametrize(
    "wrong",
    [
        trade(5, "100.6", "0.010", 5_000, False), trade(5, "100.5", "0.011", 5_000, False),
        trade(5, "100.5", "0.010", 5_001, False), trade(5, "100.5", "0.010", 5_000, True),
    ],
)  # fmt: skip
def test_a_trade_with_any_field_changed_is_altered(wrong):
    assert compared([*sent(1, 2, 3, 4), wrong, *sent(6, 7, 8, 9, 10)]) == Loss(sent=10, delivered=10, altered=1)


def test_a_trade_that_was_never_sent_is_altered():
    assert compared(sent(*range(1, 12))).altered == 1


def test_equal_numbers_are_equal_however_they_are_spelled():
    given = [trade(row[0], "100.50000", "1E-2", row[3], False) for row in sent(*range(1, 11))]
    assert compared(given).altered == 0


def test_a_minute_is_right_or_wrong_or_missing_and_one_that_ended_before_the_client_began_is_not_due():
    due = [bar(minute * MINUTE, "1", "2", "0.5", str(minute), "9") for minute in range(4)]
    forming = bar(2 * MINUTE, "1", "2", "0.5", "1.7", "8")
    rows = [trade(number, "1", "1", MINUTE + 1_000 * number, False) for number in range(1, 11)]
    found = compared(rows, rows, due, (due[1], forming))
    assert (found.bars_sent, found.bars_held, found.bars_wrong, found.bars_missing) == (3, 1, 1, 1)


def test_plays_add_up_and_the_longest_hole_stays_the_longest():
    total = Loss()
    total.add(Loss(sent=10, missing=3, hole_ids=3, hole_s=1.0))
    total.add(Loss(sent=20, missing=2, hole_ids=2, hole_s=9.0))
    assert total == Loss(sent=30, missing=5, hole_ids=3, hole_s=1.0)


def test_a_journal_is_read_as_the_simulator_writes_it():
    written = [
        {"t": "start", "venue": "binance"},
        {"t": "request", "path": "/fapi/v1/time", "status": 200},
        {"t": "ban", "caused": True, "seconds": 5}, {"t": "ban", "caused": False, "seconds": 5},
        {"t": "row", "symbol": "BTCUSDT", "tape": "agg", "row": [7, "1.50", "2", 3, 4, 99, True]},
        {"t": "row", "symbol": "BTCUSDT", "tape": "trade", "row": [3, "1.50", "2", 99, True]},
        {"t": "row", "symbol": "BTCUSDT", "tape": "kline_1m", "row": [60_000, "1", "2", "1", "2", "5", "9", 3, "1"]},
    ]  # fmt: skip
    truth = truth_of(map(json.dumps, written))
    assert truth.trades == {"BTCUSDT": [trade(7, "1.5", "2", 99, True)]}
    assert truth.bars == {"BTCUSDT": [bar(60_000, "1", "2", "1", "2", "5")]}
    assert (truth.requests, truth.bans, truth.bans_caused) == (1, 2, 1)


def test_a_driver_writes_what_the_judge_reads(tmp_path):
    path = tmp_path / "delivered.jsonl"
    with path.open("w") as file:
        record = Record(file, "gapless")
        agg = {"e": "aggTrade", "s": "BTCUSDT", "a": 7, "p": "1.5", "q": "2", "T": 99, "m": True}
        kline = {"t": 60_000, "o": "1", "h": "2", "l": "1", "c": "2", "v": "5"}
        record.message(agg)
        record.message({"e": "kline", "s": "BTCUSDT", "k": {**kline, "x": False, "v": "4"}})
        record.message({"e": "kline", "s": "BTCUSDT", "k": {**kline, "x": True}})
        record.told("DISCONNECT", "1006")
        file.write('{"t": "trade", "sym')
    found = delivered_of(path.read_text().splitlines())
    assert found.trades == {"BTCUSDT": [trade(7, "1.5", "2", 99, True)]}
    assert found.bars == {"BTCUSDT": {60_000: bar(60_000, "1", "2", "1", "2", "5")}}
    assert (found.told, found.version) == ({"DISCONNECT": 1}, "0.1.0")
    assert not delivered_of(path.read_text().splitlines(), said_until=0.0).told


def test_every_condition_is_a_script_that_the_simulator_takes():
    for condition in CONDITIONS:
        if not isinstance(condition.faults, str):
            assert [entry_from(dict(fault)).kind for fault in condition.faults]


def test_a_client_that_could_not_be_played_stays_in_the_table_with_its_reason():
    plays = [
        Played(condition="drops", client="gapless", seed=1, loss=Loss(sent=10, delivered=10)),
        Played(condition="drops", client="cryptofeed", seed=1, failed="no trade within 30 s"),
    ]
    own, other = lines(plays)
    assert len(own) == len(other) == len(COLUMNS)
    assert own[2:5] == ("10", "10", "0")
    assert other[-1] == "not played: no trade within 30 s"
    assert "not played: no trade within 30 s" in markdown(plays)


def test_a_client_that_is_not_installed_is_named_and_gapless_needs_no_environment(tmp_path):
    assert lacking(GAPLESS, tmp_path / "python") == ""
    absent = Client("absent", "no-such-distribution-of-ours", "none", "none")
    assert lacking(absent, Path(sys.executable)).startswith("no-such-distribution-of-ours is not installed")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--only", "stom"], "'stom' is not known; allowed are calm, storm"),
        (["--client", "ccxt"], "'ccxt' is not known; allowed are gapless, ccxt pro"),
        (["--python", "/nowhere/python"], "there is no /nowhere/python; `make peers` makes .venv-peers/bin/python"),
        (["--jobs", "0"], "--jobs 0 is not allowed; give 1 to 16"),
    ],
)
def test_an_unknown_word_is_refused_by_name(words, said, capsys):
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == 2
    assert said in capsys.readouterr().err


def test_the_defaults_are_those_of_the_published_table():
    chosen = options(["--python", sys.executable])
    assert (chosen.seconds, chosen.recover, chosen.seed) == (45.0, 30.0, None)
