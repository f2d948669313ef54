"""Gathers what comes in until it is committed: rows and ledger of many batches become one transaction."""

from collections.abc import Sequence

from gapless.derive.settle import Commit, Vouched
from gapless.model import Bar, Evidence, Gap, MinuteFold, Tape, Trade


class Pending:
    """Everything that waits for the next commit; `rows` counts trades and bars, `began` is when it began to wait,
    `closing` says that something among it closes a minute."""

    def __init__(self) -> None:
        self.rows = 0
        self.began = 0
        self.closing = False
        self._trades: dict[int, tuple[Tape, list[Trade]]] = {}
        self._bars: dict[str, list[Bar]] = {}
        self._vouched: dict[int, list[Vouched]] = {}
        self._wanted: dict[int, list[tuple[Tape, int, int]]] = {}
        self._gaps: list[tuple[Tape, Gap]] = []
        self._folds: dict[tuple[int, int], MinuteFold] = {}
        self._due: list[tuple[str, int]] = []
        self._events: list[tuple[str, str, dict[str, object], int]] = []
        self._trims: list[tuple[Tape, int]] = []
        self._cuts: list[tuple[Tape, int]] = []
        self._causes: set[str] = set()

    def __bool__(self) -> bool:
        return bool(
            self.rows
            or self._vouched
            or self._wanted
            or self._gaps
            or self._due
            or self._events
            or self._trims
            or self._cuts
        )

    def trades(self, tape: Tape, rows: Sequence[Trade]) -> None:
        """Add rows."""
        if rows:
            self._trades.setdefault(tape.id, (tape, []))[1].extend(rows)
            self.rows += len(rows)

    def bars(self, instrument: str, bars: Sequence[Bar]) -> None:
        """Add the venue's closed bars."""
        self._bars.setdefault(instrument, []).extend(bars)
        self.closing = True
        self.rows += len(bars)

    def vouch(self, tape: Tape, first: int, last: int, evidence: Evidence) -> None:
        """Vouch for ids; what follows on the range before it extends that."""
        known = self._vouched.setdefault(tape.id, [])
        tail = known[-1] if known else None
        if tail and tail.evidence is evidence and tail.last + 1 == first:
            known[-1] = Vouched(tape, tail.first, last, evidence)
        else:
            known.append(Vouched(tape, first, last, evidence))
        if evidence not in (Evidence.STREAM, Evidence.ALIVE):
            self._causes.add("repair")

    def want(self, tape: Tape, first: int, last: int) -> None:
        """Want ids; what touches the range before it extends that."""
        known = self._wanted.setdefault(tape.id, [])
        if known and first <= known[-1][2] + 1 and last >= known[-1][1] - 1:
            known[-1] = (tape, min(first, known[-1][1]), max(last, known[-1][2]))
        else:
            known.append((tape, first, last))

    def trim(self, tape: Tape, first: int) -> None:
        """Note that the venue has nothing before an id: what was wanted before it is not."""
        self._trims.append((tape, first))

    def cut(self, tape: Tape, last: int) -> None:
        """Note that the venue will have nothing after an id: what was wanted after it is not."""
        if known := self._wanted.get(tape.id):
            self._wanted[tape.id] = [(tape, a, min(b, last)) for _, a, b in known if a <= last]
        self._cuts.append((tape, last))

    def gap(self, tape: Tape, gap: Gap) -> None:
        """Name a hole, or say what became of it."""
        self._gaps.append((tape, gap))

    def fold(self, tape: Tape, fold: MinuteFold) -> None:
        """Add a minute that was folded from all its trades."""
        self._folds[(tape.id, fold.bar.start)] = fold
        self.closing = True

    def due(self, instrument: str, start: int) -> None:
        """Close a minute whose time is up."""
        self._due.append((instrument, start))
        self.closing = True

    def event(self, kind: str, subject: str, at: int, **detail: object) -> None:
        """Keep an event."""
        self._events.append((kind, subject, detail, at))

    def take(self, primary: dict[str, Tape], *, now: int, known_at: int, since: dict[str, int] | None = None) -> Commit:
        """Give everything as one commit and begin anew; `now` is venue time, `since` as in `Commit`."""
        commit = Commit(
            now=now,
            known_at=known_at,
            began=self.began,
            cause="repair" if self._causes else "stream",
            primary=primary,
            since=since or {},
            trades=list(self._trades.values()),
            bars=list(self._bars.items()),
            vouched=[vouch for known in self._vouched.values() for vouch in known],
            wanted=[wanted for known in self._wanted.values() for wanted in known],
            gaps=self._gaps,
            folds=self._folds,
            due=self._due,
            events=self._events,
            trims=self._trims,
            cuts=self._cuts,
        )
        self.__init__()  # type: ignore[misc]
        return commit
