"""Two venues as the watch over sources sees them, and time that passes when it is told to."""

import asyncio
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

from two_venues import BTC, A, B, TwoVenues

from gapless.collect.consolidating import Consolidation
from gapless.consolidate.settings import ConsolidateSettings
from gapless.consolidate.timeline import Turn
from gapless.model import MS, SECOND
from gapless.query.consolidated import turns_of


class Venue:
    """A collector as the watch sees it: one connection that carries one instrument."""

    def __init__(self, world: TwoVenues, clock: "Clock", *sources: str) -> None:
        name = sources[0].partition(":")[0]
        self.sources = sources
        self.clock = clock
        self.venue = SimpleNamespace(name=name)
        lines = {
            one: SimpleNamespace(
                instrument=world.store.instrument(one), ended=False, trades=SimpleNamespace(tape=world.tapes[one])
            )
            for one in sources
        }
        streams = [SimpleNamespace(instrument=one, kind="agg") for one in sources]
        self.connection = SimpleNamespace(
            name=f"{name}/1", streams=streams, up=True, connects=1, latency=None, tally=SimpleNamespace(frames=7),
        )  # fmt: skip
        self.connections = [self.connection]
        self.pipeline = SimpleNamespace(
            lines=lines, pressed=False, spoke={}, latest={}, tickers={},
            flowed=lambda name: self.pipeline.spoke.get(name, 0), agreed=lambda name: 0,
            told=lambda name: 0, clock=SimpleNamespace(now=lambda mono: world.time),
        )  # fmt: skip
        self.speaks = True

    def speak(self) -> None:
        if self.speaks and self.connection.up:
            self.pipeline.spoke |= dict.fromkeys(self.sources, self.clock.mono)


class Clock:
    mono = wall_ns = 1_000 * SECOND

    def monotonic(self) -> int:
        return self.mono

    def wall(self) -> int:
        return self.wall_ns + self.mono


class Watch:
    """Two venues, watched; time passes when it is told to."""

    def __init__(self, world: TwoVenues | None = None, **settings: Any) -> None:
        self.world = world or TwoVenues()
        self.clock = Clock()
        self.venues = [Venue(self.world, self.clock, name) for name in (A, B)]
        self.settings = ConsolidateSettings(**({"primary": "one", "dwell_s": 5} | settings))
        self.notes: list[tuple[str, dict[str, Any]]] = []
        self.switched: list[tuple[Turn, int, int]] = []
        self.watch = self.again()

    def again(self) -> Consolidation:
        """Begin anew, as after a restart."""
        watch = Consolidation(
            self.venues, self.settings, self.clock, environment="sim",  # type: ignore[arg-type]
            kept=partial(turns_of, self.world.store), commit=self._commit,
            note=lambda name, subject, **fields: self.notes.append((name, fields)),
            switched=lambda *told: self.switched.append(told),
        )  # fmt: skip
        for turn in turns_of(self.world.store):
            watch._remember(turn)
        return watch

    async def _commit(self, work: Callable[[Any], list[Turn]]) -> list[Turn]:
        return self.world.store.commit(work)

    def on(self, seconds: float) -> None:
        """Let time pass, with a look every tenth of a second."""
        for _ in range(round(seconds * 10)):
            self.clock.mono += 100 * MS
            for venue in self.venues:
                venue.speak()
            asyncio.run(self.watch._record(self.watch.look(self.clock.mono)))

    @property
    def active(self) -> str:
        return self.watch.markets[BTC].choice.active

    def turns(self) -> list[tuple[str | None, str]]:
        return [(turn.former, turn.source) for turn in turns_of(self.world.store, BTC)]
