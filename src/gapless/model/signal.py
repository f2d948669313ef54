"""A signal: what a rule found in a closed bar."""

from typing import Literal

import msgspec
from msgspec import Struct

from gapless.model.proof import Proof
from gapless.model.timeframe import Timeframe

_CONTENT = msgspec.msgpack.Encoder(order="deterministic")
SignalState = Literal["found", "confirmed", "withdrawn"]
Fact = str | int | float | bool | None


class Signal(Struct, frozen=True, kw_only=True):
    """What a rule says of one closed bar: a function of the data that it saw and of its thresholds alone.

    `kind` names the rule (`reversal`, `volume_spike`, `pattern.hammer`), `side` is 1 for a rise, -1 for a fall, 0 for
    neither. `price` is the bar's close as plain decimal text. `score` runs from 1 to 10 and is None where nothing
    tells it. `values` are the facts that the judgement rests on, by name, with the thresholds that it used: prices and
    volumes as plain decimal text, shares and ratios as numbers.
    """

    kind: str
    side: Literal[-1, 0, 1]
    price: str
    score: float | None = None
    values: dict[str, Fact]


class Judged(Struct, frozen=True, kw_only=True):
    """A judgement as it is kept: of the bar of `minutes` that begins at `start` (ns UTC) on the grid of midnight.

    `judgement` counts from 0. `state` is `found` at first, `confirmed` once the data has changed and the signal stands,
    `withdrawn` once it does not (`signal` is then the last one that stood). `revision` is the sum of
    those of the bars that were seen, `proof` that of the judged bar. `known_at` is when it was judged, ns.
    """

    id: int = 0
    instrument: str
    minutes: int
    start: int
    judgement: int
    state: SignalState
    revision: int
    proof: Proof
    signal: Signal
    known_at: int

    @property
    def key(self) -> tuple[str, int, int, str]:
        """Which signal it judges: instrument, minutes and start of the bar, kind."""
        return self.instrument, self.minutes, self.start, self.signal.kind

    @property
    def content(self) -> bytes:
        """What it says of which data, in the same bytes wherever and whenever it was judged."""
        return _CONTENT.encode((self.instrument, self.minutes, self.start, self.revision, self.proof, self.signal))

    @property
    def end(self) -> int:
        """When the bar closed, ns UTC: the time of the signal."""
        return Timeframe(self.minutes).end_of(self.start)


STANDING: tuple[SignalState, ...] = ("found", "confirmed")


class SignalFilter(Struct, frozen=True, kw_only=True):
    """Which judgements are meant; what is empty or None means any. A kind also names its family (`pattern`)."""

    instruments: tuple[str, ...] = ()
    minutes: tuple[int, ...] = ()
    kinds: tuple[str, ...] = ()
    sides: tuple[int, ...] = ()
    states: tuple[SignalState, ...] = ()
    min_score: float | None = None
    min_proof: Proof = Proof.MISSING

    def takes(self, judged: Judged) -> bool:
        """Say whether a judgement is one of those; one without a score has none that is high enough."""
        signal = judged.signal
        return (
            (not self.instruments or judged.instrument in self.instruments)
            and (not self.minutes or judged.minutes in self.minutes)
            and (not self.kinds or any(signal.kind == k or signal.kind.startswith(f"{k}.") for k in self.kinds))
            and (not self.sides or signal.side in self.sides)
            and (not self.states or judged.state in self.states)
            and (self.min_score is None or (signal.score is not None and signal.score >= self.min_score))
            and judged.proof >= self.min_proof
        )
