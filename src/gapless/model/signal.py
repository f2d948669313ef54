"""A signal: what a rule found in a closed bar."""

from typing import Literal

from msgspec import Struct

from gapless.model.proof import Proof

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
