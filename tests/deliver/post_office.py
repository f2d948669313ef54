"""A store into which a test commits signals, receivers that answer as it says, and couriers under a manual clock."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from manual import ManualClock, settled
from msgspec import json
from prometheus_client import CollectorRegistry
from tapes import ID, T0, instrument

from gapless.deliver.courier import Post
from gapless.deliver.deliveries import Deliveries
from gapless.deliver.plan import DELIVERED, Letter, Outcome
from gapless.deliver.receivers import Receiver
from gapless.errors import StoreBusy
from gapless.model import HOUR, MINUTE, SECOND, Proof
from gapless.model.signal import Judged, Signal, SignalFilter
from gapless.store.sqlite import SqliteStore

FAILED, REFUSED = Outcome("failed", "HTTP 503"), Outcome("refused", "HTTP 400")


class Hand:
    """A receiver of a test's own: `answer` says what comes of each try, and may wait."""

    def __init__(self, name: str = "http://hook/", which: SignalFilter | None = None) -> None:
        self.name, self.key = name, f"{name} key"
        self.which = which or SignalFilter()
        self.tries: list[Letter] = []
        self.taken: list[str] = []
        self.answer: Callable[[], Any] = lambda: DELIVERED

    async def give(self, letter: Letter) -> Outcome:
        self.tries.append(letter)
        answer = self.answer()
        outcome = answer if isinstance(answer, Outcome) else await answer
        if outcome.state == "delivered":
            self.taken.append(letter.id)
        return outcome


class Office:
    """The store, the clock, and what couriers say; `open` starts couriers as a process would."""

    def __init__(self, path: str = ":memory:") -> None:
        self.store = SqliteStore(path, environment="live")
        self.store.put_instrument(instrument())
        self.clock = ManualClock()
        self.told: list[tuple[str, str, dict[str, Any]]] = []
        self.held: set[str] = set()
        self.broken = False
        self.count = 0
        self._committed = asyncio.Event()
        self.registry = CollectorRegistry()
        self._append("candle")  # a log that has begun

    def _append(self, kind: str) -> None:
        self.store.commit(lambda tx: tx.put_log(kind, ID, 0, (T0, 0), late=False, known_at=self.clock.wall()))

    def signal(self, count: int = 1, **parts: Any) -> list[str]:
        """Commit signals, one a commit; give their ids as receivers see them."""
        names = []
        for _ in range(count):
            start, self.count = T0 + self.count * 5 * MINUTE, self.count + 1
            kind = parts.get("kind", "reversal")
            made = Signal(kind=kind, side=parts.get("side", 1), price="1.23", score=parts.get("score"), values={})
            judged = Judged(
                instrument=ID, minutes=5, start=start, judgement=0, state="found", revision=0, proof=Proof.PROVEN,
                signal=made, known_at=self.clock.wall(),
            )  # fmt: skip
            self.store.commit(partial(_put, judged=judged))
            names.append(f"{ID}/5m/{_minute(start)}/{kind}/0")
        self._committed.set()
        return names

    def passing(self, count: int) -> None:
        """Commit what is no signal."""
        for _ in range(count):
            self._append("candle")
        self._committed.set()

    async def _read(self, work: Callable[[], Any]) -> Any:
        return work()

    async def _commit(self, work: Callable[[Any], None]) -> None:
        if self.broken:
            raise StoreBusy("the store is held by another writer")
        self.store.commit(work)

    async def _wait(self, known: int) -> int:
        while (newest := self.store.log_span()[1]) <= known:
            self._committed.clear()
            await self._committed.wait()
        return newest

    def _hold(self, receiver: str) -> None:
        if receiver in self.held:
            raise StoreBusy("another gapless run delivers to it")

    def deliveries(self, *receivers: Receiver) -> Deliveries:
        """Make the deliveries of one process."""
        post = Post(
            reader=self.store, read=self._read, commit=self._commit, wait_for_commit=self._wait, hold=self._hold,
            note=lambda kind, subject, **fields: self.told.append((kind, subject, fields)), clock=self.clock,
            chance=lambda: 1.0, timeout=10 * SECOND, give_up_after=HOUR,
        )  # fmt: skip
        self.registry = CollectorRegistry()
        return Deliveries(receivers, post, self.registry, done=lambda: None)

    async def killed(self, deliveries: Deliveries) -> None:
        """End a process without a chance to say anything."""
        self.broken = True
        for task in deliveries._tasks:
            task.cancel()
        for one in deliveries.couriers:
            if one._under_way:
                one._under_way.cancel()
        await settled()
        self.broken = False

    def kinds(self) -> list[str]:
        """List what was said, by kind."""
        return [kind for kind, _, _ in self.told]

    def kept(self, kind: str) -> list[dict[str, Any]]:
        """List what of a kind the store has."""
        return [detail for _, _, detail, _ in self.store.events([kind], 0)]


def _put(tx: SqliteStore, *, judged: Judged) -> None:
    tx.put_signal(judged, late=False)


def _minute(start: int) -> str:
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(start // SECOND, UTC):%Y-%m-%dT%H:%M:%SZ}"


def body_of(letter: Letter) -> dict[str, Any]:
    """Read what a receiver is sent."""
    found: dict[str, Any] = json.decode(letter.body)
    return found
