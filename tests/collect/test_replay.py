"""A replay derives again what is stored: the same candles, the same signals byte for byte, or it says what differs."""

import asyncio
import json
from datetime import timedelta
from functools import partial
from operator import attrgetter

from hypothesis import given, settings
from hypothesis import strategies as st
from manual import Impatient
from msgspec.structs import replace
from tapes import ID, MINUTE, T0, Book, Collecting, bars_of, trade

import gapless
from gapless.cli.app import run
from gapless.client import CandleEvent, SignalEvent
from gapless.collect.replay import Replay, digest, standing
from gapless.derive.deriver import Deriver
from gapless.derive.settle import settle
from gapless.derive.signals.settings import PatternSettings, ReversalSettings, SignalSettings, SpikeSettings
from gapless.model import DAY, SECOND, Evidence, Span
from gapless.store.sqlite import SqliteStore
from gapless.tape.coverage import without

RULES = SignalSettings(
    timeframes=("1m", "2m", "3m"),
    min_proof="official",
    reversal=ReversalSettings(body_percent=60, short_tail_percent=30, long_tail_percent=20),
    patterns=PatternSettings(timeframes=("1m", "2m"), names=("engulfing", "doji"), context_bars=2),
    volume_spike=SpikeSettings(window_minutes=2, windows_min=3, windows_max=6, baseline_min=3, min_trades=1, z=1.0,
                               episode_minutes=5),
)  # fmt: skip
MS = 1_000_000


class Live(Collecting):
    """A collector that judges what it commits."""

    def __init__(self, book: Book, rules: SignalSettings = RULES, since: int = T0) -> None:
        super().__init__(book)
        self.deriver, self.since = Deriver(rules), since

    def commit(self) -> None:
        if not self.pending:
            return
        self.book.known_at += 1
        now, since = self.pipeline.clock.now(self.mono), {ID: self.since}
        made = self.pending.take({ID: self.book.tape}, now=now, known_at=self.book.known_at, since=since)
        self.book.store.commit(partial(settle, commit=made, deriver=self.deriver))


def replayed(book: Book, start: int = T0, end: int = T0 + DAY, rules: SignalSettings = RULES):
    """Replay a store; gives the replay, and the signals that stand there and here."""
    target = SqliteStore(":memory:", environment="live")
    replay = Replay(book.store, target, book.store.instrument(ID), start, end, rules)
    told = list(replay.run())
    assert [one.end for one in told] == sorted(one.end for one in told)
    return replay, standing(book.store, ID, start, end), standing(target, ID, start, end)


@st.composite
def tapes(draw, single: bool):
    """Trades over some minutes, several a second or none for minutes."""
    steps = draw(st.lists(st.sampled_from([0, 1, 900, 15_000, 15_000, 61_000, 130_000]), min_size=10, max_size=60))
    rows, at, fill = [], 0, 1_000
    for seq, step in enumerate(steps, 1):
        at += step
        fills = 1 if single else draw(st.integers(1, 3))
        void = single and 1 < seq < len(steps) and draw(st.integers(0, 9)) == 0
        price, size, side = draw(st.integers(90, 110)), draw(st.integers(1, 9)), draw(st.sampled_from([1, -1]))
        price, size = (0, 0) if void else (price, size)
        rows.append(trade(seq, at * MS, price, size, side, fills, seq if single else fill))
        fill += fills
    return rows


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_what_any_day_of_a_collector_left_is_derived_again_the_same(data):
    """Frames are lost and come late, bars stay away, come first, come by REST, differ; pages fill some of the holes."""
    single = data.draw(st.booleans())
    rows = data.draw(tapes(single))
    book = Book("trade" if single else "agg")
    live = Live(book)
    bars = list(bars_of(rows).values())
    live.frames(rows[:1])
    at = 1
    while at < len(rows):
        size = data.draw(st.integers(1, 12))
        if data.draw(st.integers(0, 4)):
            live.frames(rows[at : at + size])
        at += size
        while bars and bars[0].start + MINUTE <= rows[min(at, len(rows)) - 1].time:
            bar, how = bars.pop(0), data.draw(st.sampled_from(["stream", "stream", "never", "other", "rest"]))
            if how == "rest":
                number = bar.start // MINUTE
                live.pipeline.fill_bars(live.line, [bar], (number, number), Evidence.REST)
            elif how != "never":
                live.kline(replace(bar, volume=bar.volume + 1) if how == "other" else bar)
        live.pipeline.ticked(live.mono)
        if data.draw(st.booleans()):
            live.commit()
        if data.draw(st.integers(0, 9)) == 0:
            live.commit()
            live = Live(book)  # killed and started again
    live.frames(rows[-1:])
    live.commit()
    for first, last in without((1, len(rows)), book.store.all_spans(book.tape.id)):
        if data.draw(st.booleans()):
            live.fill(rows[first - 1 : last], first, last)
            live.commit()
    start = T0 + data.draw(st.integers(0, 8)) * MINUTE
    replay, there, here = replayed(book, start)
    assert replay.differences == []
    assert replay.minutes == len(book.store.candles(ID, start, T0 + DAY))
    assert [judged.content for judged in there] == [judged.content for judged in here]
    assert digest(there) == digest(here)


def afternoon(path: str = ":memory:") -> Book:
    """Collect twenty minutes of trades and bars."""
    book = Book(path=path)
    live = Live(book)
    rows = [trade(n + 1, n * 10 * SECOND, 100 + n * 7 % 11, 1 + n % 4, 1 if n % 3 else -1) for n in range(121)]
    bars = [*bars_of(rows).values()][:-1]
    for at in range(0, len(rows), 6):
        live.frames(rows[at : at + 6])
        if at:
            live.kline(bars[at // 6 - 1])
        live.commit()
    return book


def test_a_candle_or_a_trade_that_was_changed_by_hand_is_named():
    book = afternoon()
    there = standing(book.store, ID, T0, T0 + DAY)
    assert len(there) > 10
    book.store.connection.execute("UPDATE candle SET proof = 4 WHERE start = ?", (T0 + 3 * MINUTE,))
    book.store.connection.execute("UPDATE trade SET size = size + 1 WHERE seq = 40")
    replay, there, here = replayed(book)
    named = [((one.start - T0) // MINUTE, one.names) for one in replay.differences]
    assert named == [(3, ["proof"]), (6, ["proof"])]  # the second is disputed: the venue's bar is another
    assert digest(there) != digest(here)


def test_what_has_expired_is_taken_as_it_is_stored_and_the_signals_are_the_same():
    book = afternoon()

    def drop(tx: SqliteStore) -> None:
        tx.drop_trades(book.tape.id, 0, 40)
        tx.put_spans(book.tape.id, tx.all_spans(book.tape.id), [Span(41, 121, Evidence.STREAM)], 1)
        tx.put_expired(book.tape.id, "trades", [(1, 40)], 1)

    book.store.commit(drop)
    replay, there, here = replayed(book)
    assert (replay.differences, replay.minutes, replay.as_stored) == ([], 20, 7)
    assert [judged.content for judged in here] == [judged.content for judged in there]


def test_the_memory_of_a_replay_does_not_grow_with_the_tape(monkeypatch):
    monkeypatch.setattr("gapless.collect.replay._SWEEP", 3)
    book, target = afternoon(), SqliteStore(":memory:", environment="live")
    replay = Replay(book.store, target, book.store.instrument(ID), T0, T0 + DAY, RULES)
    held = [target.connection.execute("SELECT count(*) FROM trade").fetchone()[0] for _ in replay.run()]
    assert replay.differences == []
    assert max(held) <= 31
    assert digest(standing(target, ID, T0, T0 + DAY)) == digest(standing(book.store, ID, T0, T0 + DAY))


# The faces


def test_events_come_in_the_order_of_the_market_and_as_the_stream_gives_them(tmp_path):
    book = afternoon(str(tmp_path / "market.db"))
    with gapless.open(book.store.path) as market:
        fives, found = market.candles(ID, "5m"), market.signals(ID, start=T0)
        replay = gapless.replay(book.store.path, [ID], timeframes=["5m"])
        events = list(replay)
        assert [event.data.open for event in events if isinstance(event, CandleEvent)] == [row.open for row in fives]
        signals = [event.data for event in events if isinstance(event, SignalEvent)]
        key = attrgetter("end", "timeframe", "kind")
        assert [key(one) for one in sorted(signals, key=key)] == [key(one) for one in sorted(found, key=key)]
        ends = [e.data.end if isinstance(e, SignalEvent) else e.data.start + timedelta(minutes=5) for e in events]
        assert ends == sorted(ends)
        report = replay.reports[ID]
        assert report.same
        assert (report.minutes, report.signals, report.live) == (20, len(found), report.digest)


def test_a_replay_keeps_to_the_pace_of_the_market(tmp_path):
    book, clock = afternoon(str(tmp_path / "market.db")), Impatient()
    began, heard = clock.monotonic(), []

    async def follow() -> None:
        async for event in gapless.replay(book.store.path, [ID], speed=60, clock=clock):
            heard.append((clock.monotonic() - began, event.stream))

    asyncio.run(follow())
    minutes = [at for at, stream in heard if stream == f"candles:{ID}:1m"]
    assert minutes == [n * SECOND for n in range(1, 21)]


def test_a_command_proves_a_store_and_lists_what_other_settings_find_and_lose(tmp_path, capsys):
    book = afternoon(str(tmp_path / "market.db"))
    sha = digest(standing(book.store, ID, T0, T0 + DAY))

    def call(*arguments: str) -> tuple[int, str, str]:
        status = run(["replay", *arguments, "--store", book.store.path])
        return status, *capsys.readouterr()

    status, out, _ = call(ID)
    assert (status, "20 minutes derived again, 0 of them otherwise" in out, sha in out) == (0, True, True)
    assert call(ID, "--digest-only")[:2] == (
        0,
        f"{ID}: {len(standing(book.store, ID, T0, T0 + DAY))} signals stand, sha256 {sha}\n",
    )
    status, out, _ = call(ID, "--json", "--timeframe", "3m", "--start", "2026-01-07T12:10Z")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["data"]["start"][11:16] for row in rows if row["type"] == "candle"] == ["12:09", "12:12", "12:15"]
    assert (status, rows[-1]["type"], rows[-1]["minutes"], rows[-1]["differences"]) == (0, "done", 10, [])
    status, out, _ = call(ID, "--set", "signals.volume_spike.enabled=false", "--set", "signals.patterns.enabled=false")
    assert (status, "lost here: " in out) == (0, True)
    book.store.connection.execute("UPDATE candle SET close = close + 1 WHERE start = ?", (T0 + MINUTE,))
    status, out, _ = call(ID)
    assert (status, "2026-01-07T12:01:00Z: proof differ" in out) == (1, True)
    for wrong, sentence in (
        (["binance:NOUSDT"], "no instrument"), ([ID, "--start", "-1h", "--end", "-2h"], "--end must be later"),
        ([ID, "--start", "2026-02-01"], "is stored in that time; stored are 2026-01-07T12:00"),
        ([ID, "--speed", "0"], "speed: 0 is not allowed; allowed is a number above 0, or max"),
        ([ID, "--speed", "fast"], "--speed: 'fast' is not allowed"),
        ([ID, "--set", "store.url=x"], "settings of signals"),
    ):  # fmt: skip
        status, _, err = call(*wrong)
        assert (status, len(err.splitlines()), sentence in err) == (2, 1, True), (wrong, err)


def test_signals_that_wait_to_be_judged_are_no_difference(tmp_path, capsys):
    book = afternoon(str(tmp_path / "market.db"))
    book.store.commit(lambda tx: tx.put_unjudged(ID, T0, T0 + MINUTE))
    book.store.connection.execute("DELETE FROM signal")
    assert run(["replay", ID, "--store", book.store.path]) == 0
    assert "still waits to be" in capsys.readouterr().out
