"""Looks many times a second at what is due and what is held."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct

from soak.due import Due
from soak.held import Held
from soak.measure import HELD_WITHIN, Uptime


class Anchor(Struct, frozen=True):
    """The market's time (ms) at a monotonic time (s): the simulator and we read the same clock."""

    market: float
    mono: float
    speed: float

    def market_at(self, mono: float) -> float:
        """Give the market's time, ms UTC."""
        return self.market + (mono - self.mono) * 1_000 * self.speed

    def mono_of(self, market: Any) -> Any:
        """Give the monotonic time, s, of market times in ms."""
        return self.mono + (market - self.market) / 1_000 / self.speed


class Watch:
    """Samples every instrument: what fell due 2 s ago must be held; what became held has a lag."""

    def __init__(self, store: Path, venue: str, anchor: Anchor, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.uptime = Uptime()
        self.lags: list[Any] = []
        self._store = store
        self._venue = venue
        self._anchor = anchor
        self._clock = clock
        self._watched: dict[str, tuple[Due, Held]] = {}
        self._since: dict[str, float] = {}

    def add(self, due: Due) -> None:
        """Watch an instrument from its first committed trade on."""
        self._watched[due.name] = (due, Held(self._store, f"{self._venue}:{due.name}"))

    def leave(self, name: str) -> None:
        """Watch an instrument no longer."""
        _, held = self._watched.pop(name)
        held.close()

    def close(self) -> None:
        """Count what is not counted yet."""
        self.uptime.close()
        for name in list(self._watched):
            self.leave(name)

    @property
    def begun(self) -> bool:
        """Whether every instrument has begun."""
        return len(self._since) >= len(self._watched)

    def sample(self) -> None:
        """Look once."""
        states = {}
        for name, (due, held) in self._watched.items():
            fresh = held.fresh()
            now = self._clock()
            if name in self._since:
                self._late(due, fresh, now)
            elif held.first is not None:
                self._since[name] = now
            if now - self._since.get(name, now) > HELD_WITHIN:
                states[name] = self._up(due, held, self._anchor.market_at(now - HELD_WITHIN))
        if states:
            self.uptime.sample(int(self._clock()), states)

    def _late(self, due: Due, fresh: list[int], now: float) -> None:
        """Note how long after it was due each event was seen to be held."""
        if fresh:
            whole = due.pushes(fresh[0], fresh[-1])
            pushes = whole[np.asarray(fresh) - fresh[0]]
            self.lags.append((now - self._anchor.mono_of(pushes)) * 1_000)

    def _up(self, due: Due, held: Held, market: float) -> bool:
        seq = due.newest(int(market))
        # Before its first committed trade an instrument was not collected yet.
        if held.first is not None and seq >= held.first and not held.has(seq):
            return False
        bar = due.newest_bar(int(market))
        begun = self._anchor.market_at(self._since[due.name])
        return bar is None or bar < begun or held.has_bar(bar)
