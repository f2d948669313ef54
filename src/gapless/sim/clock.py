"""The market's clock: start + real time x speed, kept across restarts as the pair (market, wall)."""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec

from gapless.sim.errors import SimError


class World(msgspec.Struct):
    """The pair that ties market time to wall time, ms UTC, as kept in the world file."""

    market_ms: int
    wall_ms: int
    speed: float


class MarketClock:
    """Tells market time in ms UTC; stands at the start until play begins, at the end when it is over."""

    def __init__(self, start_ms: int, end_ms: int | None, speed: float, world: Path | None) -> None:
        """Continues the world of `world` when that file exists."""
        self.start_ms = start_ms
        self.end_ms = end_ms
        self.speed = speed
        self.playing = False
        self.played_at = 0.0  # time.monotonic() at the start of play
        self.resumed = False
        self._anchor = (start_ms, 0.0)
        self._world = world
        if world is not None and world.exists():
            self._resume(world)

    def _resume(self, path: Path) -> None:
        try:
            world = msgspec.json.decode(path.read_bytes(), type=World)
        except (OSError, msgspec.MsgspecError) as error:
            raise SimError(
                f"world file {path}: cannot be read ({error}); give a file that `gapless sim` wrote, or a new name"
            ) from None
        self.speed = world.speed
        passed = max(time.time() * 1000 - world.wall_ms, 0.0)
        self._anchor = (world.market_ms + int(passed * world.speed), time.monotonic())
        self.playing = self.resumed = True
        self.played_at = self._anchor[1]

    def play(self) -> None:
        """Starts the market and keeps the pair, if there is a world file."""
        if self.playing or self.ended:
            return
        self.playing = True
        self.played_at = time.monotonic()
        self._anchor = (self.start_ms, self.played_at)
        if self._world is not None:
            pair = World(self.start_ms, int(time.time() * 1000), self.speed)
            draft = self._world.with_name(self._world.name + ".new")
            draft.write_bytes(msgspec.json.encode(pair))
            os.replace(draft, self._world)

    @property
    def ended(self) -> bool:
        """Tells whether the market has been stopped."""
        return not self.playing and self._anchor[1] < 0

    def now(self) -> int:
        """Returns market time in ms; bounded by the capture's end."""
        market, since = self._anchor
        if self.playing:
            market += int((time.monotonic() - since) * 1000 * self.speed)
        return market if self.end_ms is None else min(market, self.end_ms)

    def stop(self, at_ms: int) -> None:
        """Stops the market for good at an instant."""
        self.playing = False
        self._anchor = (at_ms, -1.0)

    def played_s(self) -> float:
        """Returns the real seconds since play began; 0 before it."""
        return time.monotonic() - self.played_at if self.played_at else 0.0
