"""What was known then is answered as it was answered then: no trade, bar, proof or signal from later is seen."""

from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from serving import served
from tapes import ID, MINUTE, T0, Book, bars_of, trade

import gapless
from gapless.cli.app import run
from gapless.derive.deriver import Deriver
from gapless.derive.settle import Commit, Vouched, settle
from gapless.derive.signals.settings import PatternSettings, SignalSettings, SpikeSettings
from gapless.errors import BadInput
from gapless.model import DAY, SECOND, Evidence, Gap, Trade, parse_timeframe
from gapless.query.footprint import footprint_answer
from gapless.query.market import Market
from gapless.query.present import candle_rows, listing, trade_rows
from gapless.serve import pages
from gapless.tape.coverage import without

RULES = SignalSettings(
    timeframes=("1m", "2m"), patterns=PatternSettings(timeframes=("1m",), names=("engulfing", "doji"), context_bars=2),
    volume_spike=SpikeSettings(enabled=False),
)  # fmt: skip
STEPS = st.sampled_from([1_000_000, SECOND, 40 * SECOND, 10 * MINUTE])


class Diary(Book):
    """A store of a tape with bars and signals that keeps what it answered after every commit."""

    def __init__(self, path: str = ":memory:") -> None:
        super().__init__("agg", path)
        self.deriver = Deriver(RULES)
        self.known_at = T0
        self.kept: list[tuple[int, dict[str, Any]]] = []

    def write(self, step: int, *, rows: list[Trade] = (), ids: tuple[int, int] | None = None, rest: bool = False,
              **parts: object) -> None:  # fmt: skip
        self.known_at += step
        if ids:
            parts["trades"] = [(self.tape, [replace(row, received=self.known_at) for row in rows])]
            evidence = Evidence.REST if rest else Evidence.STREAM
            parts["vouched"] = [Vouched(self.tape, *ids, evidence)]
        made = Commit(now=T0 + DAY, known_at=self.known_at, primary={ID: self.tape}, since={ID: T0}, **parts)
        self.store.commit(partial(settle, commit=made, deriver=self.deriver))
        self.kept.append((self.known_at, answers(Market(self.store))))


def answers(market: Market) -> dict[str, Any]:
    instrument = market.reader.instruments()[0]
    told: dict[str, Any] = {}
    for basis in ("venue", "tape"):
        for text in ("1m", "3m", "7m"):
            found = market.candles(instrument, parse_timeframe(text), last=4, basis=basis, live=True)
            told[f"{text} {basis}"] = listing(found, candle_rows(found), epoch=None)
            found = market.candles(instrument, parse_timeframe(text), start=T0 - MINUTE, end=T0 + DAY, basis=basis)
            told[f"{text} {basis} of a day"] = listing(found, candle_rows(found), epoch=None)
    for text in ("1m", "4m"):
        told[f"footprints {text}"] = footprint_answer(market, instrument, parse_timeframe(text), last=3, live=True)
    found = market.trades(instrument)
    told["trades"] = listing(found, trade_rows(found, received=True), epoch=None)
    told["newest trades"] = pages.trades(
        market, instrument.id, start=None, end=None, first=None, limit=3, received=True, epoch=None
    )  # fmt: skip
    told["gaps"] = pages.gaps(market, instrument.id, pages.STATES)
    told["signals"] = market.reader.signals(0, T0 + DAY, number=2**62, limit=1_000)
    return _timeless(told)


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _timeless(inner) for name, inner in value.items() if name != "elapsed_ms"}
    return [_timeless(inner) for inner in value] if isinstance(value, list) else value


@st.composite
def tapes(draw):
    """Aggregates over some minutes, a few of them quiet."""
    steps = draw(st.lists(st.sampled_from([1, 900, 15_000, 15_000, 61_000, 130_000]), min_size=8, max_size=30))
    rows, at, fill = [], 0, 1_000
    for seq, step in enumerate(steps, 1):
        at += step
        fills = draw(st.integers(1, 3))
        price, size, side = draw(st.integers(90, 110)), draw(st.integers(1, 9)), draw(st.sampled_from([1, -1]))
        rows.append(trade(seq, at * 1_000_000, price, size, side, fills, fill))
        fill += fills
    return rows


def _happens(draw, diary: Diary, rows: list[Trade], newest: int) -> int:
    """Let one thing happen, however it comes; give the newest id that the stream has brought."""
    what, step, bars = draw(st.sampled_from(["trades", "trades", "repair", "bar", "due"])), draw(STEPS), bars_of(rows)
    if what == "trades" and newest < len(rows):
        first = newest + 1 + max(draw(st.integers(-4, 4)), 0)
        part = rows[first - 1 : first + draw(st.integers(0, 6))]
        if not part:
            return newest
        hole = Gap(tape=diary.tape.id, first=newest + 1, last=first - 1, opened=diary.known_at + step, cause="jump")
        gaps = [(diary.tape, hole)] if first > newest + 1 else []
        diary.write(
            step, rows=part, ids=(first, part[-1].seq), gaps=gaps, wanted=[(diary.tape, 1, part[-1].seq)]
        )  # fmt: skip
        return part[-1].seq
    if what == "repair" and (holes := without((1, newest), diary.store.all_spans(diary.tape.id))):
        first, last = draw(st.sampled_from(holes))
        last = draw(st.integers(first, last))
        diary.write(step, rows=rows[first - 1 : last], ids=(first, last), rest=True)
    elif what == "bar":
        bar = draw(st.sampled_from(list(bars.values())))
        more = draw(st.sampled_from([0, 0, 0, 1]))
        bar = replace(bar, volume=bar.volume + more, quote_volume=bar.quote_volume + 100 * more)
        number = bar.start // MINUTE
        diary.write(step, bars=[(ID, [bar])], vouched=[Vouched(diary.bars, number, number, Evidence.STREAM)])
    elif what == "due":
        diary.write(step, due=[(ID, T0 + minute * MINUTE) for minute in range(draw(st.integers(1, 12)))])
    return newest


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_every_moment_of_any_history_is_answered_later_as_it_was_answered_then(data):
    rows, diary, newest = data.draw(tapes()), Diary(), 0
    for _ in range(data.draw(st.integers(4, 14))):
        newest = _happens(data.draw, diary, rows, newest)
    market = Market(diary.store)
    for (at, told), (until, _) in zip(diary.kept, [*diary.kept[1:], (diary.known_at + DAY, {})], strict=True):
        for moment in (at, until - 1):
            assert answers(market.as_of(moment)) == told


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from([0, SECOND, MINUTE]), st.integers(0, 30)), min_size=1, max_size=40), st.data()
)
def test_commits_that_waited_for_each_other_show_nothing_of_what_was_known_later(made, data):
    """Two processes commit; each took its time before it waited up to 30 s for the other."""
    book, at, known = Book(), T0, []
    for step, waited in made:
        at += step
        known.append(at - waited * SECOND)
        mark = partial(book.store.put_log, "candle", ID, 0, (T0, 0), late=False, known_at=known[-1])
        book.store.commit(lambda tx, mark=mark: mark())
    moment = data.draw(st.sampled_from(known)) + data.draw(st.sampled_from([-1, 0, 1]))
    before = next((n for n, one in enumerate(known) if one > moment), len(known))
    assert book.store.number_at(moment) == before


def test_what_lies_before_the_log_is_refused_with_the_earliest_time_that_can_be_asked():
    diary = Diary()
    for number in range(3):
        diary.write(MINUTE, rows=[trade(number + 1, number * MINUTE)], ids=(number + 1, number + 1))
    assert answers(Market(diary.store).as_of(T0))["trades"]["rows"] == []  # nothing was known yet
    diary.store.commit(lambda tx: tx.drop_log(T0 + 2 * MINUTE, 100))
    with pytest.raises(BadInput, match=r"known at 2026-01-07T12:00:30Z .* reaches back to 2026-01-07T12:02:00Z"):
        Market(diary.store).as_of(T0 + 30 * SECOND)
    assert answers(Market(diary.store).as_of(T0 + 2 * MINUTE)) == diary.kept[1][1]


def test_trades_that_have_expired_leave_what_was_whole_and_say_what_is_missing():
    diary = Diary()
    rows = [trade(n + 1, n * 20 * SECOND, 100 + n) for n in range(15)]
    diary.write(SECOND, rows=rows[:4], ids=(1, 4))
    diary.write(SECOND, rows=rows[6:], ids=(7, 15), due=[(ID, T0 + minute * MINUTE) for minute in range(4)])
    moment = diary.known_at
    diary.write(MINUTE, rows=rows[4:6], ids=(5, 6), rest=True)
    market, instrument = Market(diary.store), diary.store.instrument(ID)
    told = footprint_answer(market.as_of(moment), instrument, parse_timeframe("1m"), last=4)
    assert [row["proof"] for row in told["rows"]] == ["partial", "partial", "partial", "proven"]
    diary.store.commit(lambda tx: (tx.drop_trades(diary.tape.id, 1, 8),
                                   tx.put_expired(diary.tape.id, "trades", [(1, 8)], moment)))  # fmt: skip
    again = footprint_answer(market.as_of(moment), instrument, parse_timeframe("1m"), last=4)
    assert [row["proof"] for row in again["rows"]] == ["partial", "partial", "partial", "proven"]
    # The first minute is as it was, of the next two some trades came later: which, nobody knows any more.
    assert [row["rows"] for row in again["rows"]] == [told["rows"][0]["rows"], [], [], told["rows"][3]["rows"]]
    assert again["missing"] == told["missing"]


def test_a_former_candle_is_told_in_the_digits_of_today():
    diary = Diary()
    bar = bars_of([trade(1, 0, 100, 3), trade(2, SECOND, 101, 4)])[T0]
    diary.write(SECOND, bars=[(ID, [bar])])
    moment = diary.known_at
    diary.write(SECOND, bars=[(ID, [replace(bar, volume=9)])])
    told = answers(Market(diary.store).as_of(moment))["1m venue"]["rows"]
    diary.store.put_instrument(replace(diary.store.instrument(ID), price_digits=4, size_digits=5))
    grown = answers(Market(diary.store).as_of(moment))["1m venue"]["rows"]
    numbers = [{name: row[name] and Decimal(row[name]) for name in ("open", "close", "volume", "quote_volume")}
               for row in (told[0], grown[0])]  # fmt: skip
    assert numbers[0] == numbers[1]


def test_store_http_and_commands_tell_the_same_of_then_and_refuse_to_fetch_for_it(tmp_path, capsys):
    diary = Diary(str(tmp_path / "market.db"))
    rows = [trade(n + 1, n * 20 * SECOND, 100 + n) for n in range(15)]
    diary.write(SECOND, rows=rows[:8], ids=(1, 8))
    moment = diary.known_at
    diary.write(10 * MINUTE, rows=rows[8:], ids=(9, 15))
    diary.store.close()
    told = []
    with served(diary.store.path) as address:
        for where in (diary.store.path, address):
            with gapless.open(where) as market:
                told.append((
                    list(market.candles(ID, "1m", last=9, as_of=moment)),
                    list(market.trades(ID, as_of=moment)),
                    market.footprints(ID, "1m", last=1, as_of=moment)[0].rows,
                    market.footprint(ID, "1m", T0 + MINUTE, as_of=moment).rows,
                    market.profile(ID, "1m", as_of=moment)[0].poc,
                    market.gaps(ID, as_of=moment),
                ))  # fmt: skip
                assert len(market.trades(ID)) == 15
        with gapless.open(address) as market, pytest.raises(BadInput, match="as_of goes without fetch"):
            market.candles(ID, "1m", last=1, as_of=moment, fetch=True)
    assert told[0] == told[1]
    assert [row.seq for row in told[0][1]] == list(range(1, 9))
    assert [row.start.minute for row in told[0][0]][-1] == 1
    where = ["--store", diary.store.path, "--as-of", str(moment)]
    assert run(["trades", ID, "--format", "csv", *where]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + 8
    assert run(["candles", ID, "1m", "--last", "1", "--format", "csv", *where]) == 0
    assert "2026-01-07T12:01:00Z" in capsys.readouterr().out
    assert run(["candles", ID, "1m", "--fetch", *where]) == 2
    assert "--as-of goes without --fetch" in capsys.readouterr().err
