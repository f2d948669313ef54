"""Two venues that trade the same thing, committed as a collector commits them, and switches between them."""

from functools import partial

from gapless.consolidate.record import record
from gapless.consolidate.timeline import Turn
from gapless.derive.settle import Commit, Vouched, settle
from gapless.model import MS, Evidence, Instrument, Tape, Trade
from gapless.query.consolidated import Consolidated, consolidated
from gapless.query.events import Event
from gapless.query.feed import Cursor, Step, events_of, parse_stream, step_after
from gapless.query.market import Market
from gapless.store.sqlite import SqliteStore

A, B = "one:BTCUSDT", "two:BTC-USDT"
BTC = "BTC/USDT"
START = 1_767_787_200_000_000_000  # 2026-01-07T12:00Z


class TwoVenues:
    """Trades come with consecutive ids; `time` is that of the newest, the same at both venues."""

    def __init__(self, path: str = ":memory:") -> None:
        self.store = SqliteStore(path, environment="sim")
        self.tapes: dict[str, Tape] = {}
        self.seqs: dict[str, int] = {}
        self.lost: list[tuple[str, list[Trade]]] = []
        self.turn: Turn | None = None
        self.known_at = self.time = START
        for name, digits in ((A, (2, 3)), (B, (1, 5))):
            venue, _, symbol = name.partition(":")
            self.store.put_instrument(
                Instrument(
                    venue=venue,
                    symbol=symbol,
                    base="BTC",
                    quote="USDT",
                    kind="spot",
                    price_digits=digits[0],
                    size_digits=digits[1],
                    tick=1,
                )
            )
            self.tapes[name] = self.store.open_tape(name, "agg")
            self.seqs[name] = 0
        self.market = Market(self.store)

    def trade(self, name: str, time: int) -> Trade:
        self.seqs[name] += 1
        seq = self.seqs[name]
        price = (10_000 if name == A else 1_000) + seq % 7
        return Trade(seq, time, price, 1 + seq % 5, 1, 1, seq, self.known_at)

    def trades(self, name: str, count: int, *, step: int = 100 * MS, lose: int = 0) -> None:
        """Let a venue trade on; the first `lose` of them do not arrive."""
        rows = []
        for _ in range(count):
            self.time += step
            rows.append(self.trade(name, self.time))
        if rows[:lose]:
            self.lost.append((name, rows[:lose]))
        self.commit(name, rows[lose:], Evidence.STREAM)

    def both(self, count: int, *, step: int = 100 * MS) -> None:
        """Let both trade on, at the same times."""
        for _ in range(count):
            self.time += step
            for name in (A, B):
                self.commit(name, [self.trade(name, self.time)], Evidence.STREAM)

    def repair(self) -> None:
        """Bring what was lost."""
        for name, rows in self.lost:
            self.commit(name, rows, Evidence.REST)
        self.lost.clear()

    def commit(self, name: str, rows: list[Trade], evidence: Evidence) -> None:
        if not rows:
            return
        tape, first, last = self.tapes[name], rows[0].seq, rows[-1].seq
        self.known_at += MS
        commit = Commit(
            now=self.time, known_at=self.known_at, primary=self.tapes, trades=[(tape, rows)],
            vouched=[Vouched(tape, first, last, evidence)], wanted=[(tape, 1, max(last, self.seqs[name]))],
        )  # fmt: skip
        self.store.commit(partial(settle, commit=commit))

    def close(self, name: str, start: int) -> None:
        """Close a minute whose time is up, whatever came of it."""
        self.known_at += MS
        commit = Commit(now=self.time, known_at=self.known_at, primary=self.tapes, due=[(name, start)])
        self.store.commit(partial(settle, commit=commit))

    def switch(self, source: str, *sources: str, now: int | None = None) -> Turn:
        """Make a source the active one; `now` is the venue's time, as far as it is known."""
        self.known_at += MS
        former = self.turn
        self.turn = self.store.commit(
            lambda tx: record(
                tx,
                unified=BTC,
                source=source,
                former=former.source if former else None,
                reason="a test",
                sources=sources or (A, B),
                known_at=self.known_at,
                now=self.time if now is None else now,
                after=former.instant if former else -1,
                environment="sim",
            )
        )
        return self.turn

    @property
    def whole(self) -> Consolidated:
        return consolidated(self.market, BTC)

    def events(self, stream: str, *, after: Cursor = Cursor(0, 0), items: int = 1_000) -> list[Event]:  # noqa: B008
        """Give the events of a stream from a cursor on, in steps of so many items."""
        asked = parse_stream(stream, self.market)
        found: list[Event] = []
        while step := step_after(self.store, after, items=items):
            found += self._of(step, asked)
            after = step.until
        return found

    def _of(self, step: Step, asked: object) -> list[Event]:
        return list(events_of(self.store, step, asked))  # type: ignore[arg-type]
