"""The order book that a capture shows: a recorded snapshot, then its diffs."""

from __future__ import annotations

import bisect

import msgspec

from gapless.sim.capture.gather import Gathered
from gapless.sim.market import Depth, Diff, Frame
from gapless.sim.rows import Scale


class Snapshot(msgspec.Struct):
    """`{"lastUpdateId":..,"E":..,"T":..,"bids":[["61800.20","2.909"]],"asks":[...]}`."""

    lastUpdateId: int  # noqa: N815
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


class Change(msgspec.Struct):
    """`{"e":"depthUpdate","E":..,"U":..,"u":..,"b":[...],"a":[...]}`."""

    E: int
    U: int
    u: int
    b: list[tuple[str, str]]
    a: list[tuple[str, str]]


_CHANGE = msgspec.json.Decoder(Change)


class RecordedBook:
    """Replays recorded diffs over the recorded snapshot; an instant in the past starts again from the snapshot."""

    def __init__(self, snapshot: Snapshot, frames: list[Frame], price: Scale, size: Scale) -> None:
        """Takes the snapshot and the frames of one diff stream in order."""
        self._snapshot = snapshot
        self._frames = frames
        self._pushes = [frame.push for frame in frames]
        self._scales = (price, size)
        self._reset()

    @classmethod
    def of(cls, entry: Gathered, price: Scale, size: Scale) -> RecordedBook | None:
        """Builds the book of a symbol, or None when the capture holds no snapshot or no diffs."""
        kinds = [kind for kind in entry.frames if kind == "depth" or kind.startswith("depth@")]
        if not kinds or not entry.snapshots:
            return None
        snapshot = msgspec.json.decode(entry.snapshots[0][1], type=Snapshot)
        return cls(snapshot, entry.frames[sorted(kinds)[0]], price, size)

    def _reset(self) -> None:
        self._position = 0
        self._number = self._snapshot.lastUpdateId
        self._time = 0
        self._sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self._apply(self._snapshot.bids, self._snapshot.asks)

    def _apply(self, bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> None:
        price, size = self._scales
        for side, levels in zip(self._sides, (bids, asks), strict=True):
            for text, quantity in levels:
                at, amount = _units(text, price.digits), _units(quantity, size.digits)
                if at is None or amount is None:
                    continue  # finer than any trade: not writable in the market's digits
                if amount:
                    side[at] = amount
                else:
                    side.pop(at, None)

    def at(self, ms: int, levels: int) -> Depth:
        """Returns the best levels as they stood at a market instant."""
        upto = bisect.bisect_right(self._pushes, ms)
        if upto < self._position:
            self._reset()
        while self._position < upto:
            frame = self._frames[self._position]
            self._position += 1
            change = _CHANGE.decode(frame.payload)
            if change.u > self._number:
                self._number, self._time = change.u, change.E
                self._apply(change.b, change.a)
        bids = sorted(self._sides[0].items(), reverse=True)[:levels]
        return Depth(self._number, self._time or ms, bids, sorted(self._sides[1].items())[:levels])

    def diff(self, after: int, upto: int) -> Diff | None:
        """Returns None: diffs are played as recorded."""
        return None


def _units(text: str, digits: int) -> int | None:
    whole, _, part = text.partition(".")
    if part[digits:].strip("0"):
        return None
    return int(whole + part[:digits].ljust(digits, "0"))
