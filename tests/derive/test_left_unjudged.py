"""What was left to be judged is judged a stretch at a time, takes no room, and misses nothing."""

import random
from functools import partial

from msgspec.structs import replace
from tapes import ID, T0, instrument
from test_signalling import ALL, REVERSALS, Market, hammer, made_bar, trades

from gapless.derive.settle import Commit, Vouched, settle
from gapless.model import DAY, MINUTE, Evidence

LONG = 200


def brought_beside(market: Market) -> None:
    """Bring the first minute as a collector, and many after it as somebody beside it."""
    draws = random.Random(5)
    market.bars(made_bar(0, draws.randrange(5_000)))
    market.bars(*(made_bar(number, draws.randrange(5_000)) for number in range(1, LONG)), how="beside")


def left(market: Market) -> tuple[int, int]:
    return market.book.store.unjudged().get(ID, (0, -MINUTE))


def test_a_long_time_that_somebody_brings_is_judged_in_many_short_commits_and_to_the_same_end():
    market = Market(ALL)
    brought_beside(market)
    commits = 0
    while market.book.store.unjudged():
        before = left(market)
        market.judge()
        after = left(market)
        assert (before[1] - before[0]) - (after[1] - after[0]) <= 60 * MINUTE  # however much there is
        commits += 1
    assert commits == -(-(LONG - 1) // 60)
    assert market.standing() == market.judged_now(T0, T0 + LONG * MINUTE)


def test_a_live_minute_is_judged_before_what_was_left_of_its_instrument():
    market = Market(REVERSALS)
    brought_beside(market)
    market.bars(hammer(LONG), how="not yet")
    live = [judged for judged in market.judge().judged if judged.start == T0 + LONG * MINUTE]
    assert [judged.state for judged in live] == ["found"]
    while market.book.store.unjudged():
        assert all(judged.start < T0 + LONG * MINUTE for judged in market.judge().judged)
    assert market.standing() == market.judged_now(T0, T0 + (LONG + 1) * MINUTE)


def test_bars_that_are_not_judged_for_long_wait_in_the_store_and_not_in_memory():
    market = Market(REVERSALS)
    for number in range(120):
        market.bars(hammer(number), how="not yet")
        waiting = market.deriver._pending
        assert sum(len(commit) for pending in waiting.values() for commit in pending.commits) < 100
    while market.book.store.unjudged():
        market.judge()
    assert len(market.standing()) == 120


def test_what_closed_long_before_collecting_began_is_passed_over_at_once():
    market = Market(REVERSALS)
    since = T0 + 1_000 * MINUTE
    market.bars(hammer(1_000), since=since)
    market.bars(*(hammer(number) for number in range(900)), since=since, how="beside")
    assert market.judge().judged == []
    assert market.book.store.unjudged() == {}


def test_bars_that_wait_while_digits_grow_are_judged_in_the_new_ones():
    market = Market(REVERSALS)
    market.bars(hammer(0), how="not yet")
    market.book.store.put_instrument(instrument(4, 3))
    (found,) = market.judge().judged
    assert found.signal.price == "10.1000"


def test_an_instrument_that_is_collected_no_more_leaves_memory():
    market = Market(REVERSALS)
    gone = replace(instrument(), symbol="GONEUSDT")
    market.book.store.put_instrument(gone)
    market.book.store.open_tape(gone.id, "bars")
    made = Commit(now=T0 + DAY, known_at=1, since={gone.id: T0}, bars=[(gone.id, [hammer(0)])])
    market.book.store.commit(partial(settle, commit=made, deriver=market.deriver))
    for number in range(0, 1_000, 100):
        market.bars(*map(hammer, range(number, number + 100)))
    assert set(market.deriver._subjects) == {ID}


def test_a_signal_whose_ladder_has_expired_stands_as_it_was_judged_while_its_bar_is_the_same():
    market = Market(REVERSALS)
    rows, tape = trades(0), market.book.tape
    vouched = [Vouched(tape, rows[0].seq, rows[-1].seq, Evidence.REST)]
    market.commit(trades=[(tape, rows)], vouched=vouched)
    market.bars(hammer(0))
    market.bars(hammer(1))
    before = market.standing()[1, T0, "reversal"]
    assert before[0].values["valid"] is not None
    market.book.store.commit(lambda tx: tx.drop_ladders(tape.id, T0 // MINUTE, T0 // MINUTE))
    market.bars(hammer(-1), how="beside")  # what is judged again reaches from here
    market.bars(hammer(1, close=1_001), how="beside")  # to here, over the bar between
    assert [(judged.start, judged.state) for judged in market.judge().judged] == [(T0 + MINUTE, "withdrawn")]
    assert market.standing()[1, T0, "reversal"] == before
