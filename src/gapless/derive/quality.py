"""How much a footprint says and how far it can be trusted: a score from 1 to 10, with what it rests on."""

from msgspec import Struct

from gapless.model import HOUR, Proof

_WHOLE_PERCENT = 99  # of the venue's volume; less is as good as a hole
_HOLE, _UNKNOWN = 5, 7  # the most that a bar with a hole, and one of unknown completeness, can have


class Quality(Struct, frozen=True):
    """A score of 1 to 10; the share of the venue's volume that is held, 0 to 1, None where it is unknown; reasons."""

    score: int
    completeness: float | None
    reasons: tuple[str, ...]


class Held(Struct, frozen=True, kw_only=True):
    """What a score is given for.

    `trades` counts executions. Of the `ids` that the bar spans `streamed` were vouched for by stream. `hole`: some
    closed minute of it is not held whole. `volume` is held of the venue's `official` one, None where that is not
    known. `age` is how long before the newest time known of the instrument the bar ended, ns.
    """

    trades: int
    ids: int
    streamed: int
    proof: Proof
    hole: bool
    volume: int
    official: int | None
    age: int


def quality_of(held: Held) -> Quality:
    """Score a bar: a band by its trades, one more within it for proof and one for youth, at most what holes allow."""
    low, high = _band(held)
    proven, young = held.proof is Proof.PROVEN, held.age < HOUR
    score = min(high, low + proven + young)
    reasons = [f"{held.trades:,} trades"]
    if held.ids:
        reasons.append(f"{100 * held.streamed // held.ids} % of them by stream")
    if proven:
        reasons.append("proven")
    if young:
        reasons.append("younger than an hour")
    if held.hole:
        score = min(score, _HOLE)
        reasons.append(f"not held whole: at most {_HOLE}")
    if held.official is None:
        score = min(score, _UNKNOWN)
        reasons.append(f"completeness unknown: at most {_UNKNOWN}")
    elif 100 * held.volume < _WHOLE_PERCENT * held.official:
        score = min(score, _HOLE)
        reasons.append(f"less than {_WHOLE_PERCENT} % of the venue's volume: at most {_HOLE}")
    return Quality(score, _completeness(held), tuple(reasons))


def _band(held: Held) -> tuple[int, int]:
    if held.trades >= 1_000:
        return (8, 10) if 2 * held.streamed >= held.ids else (7, 7)
    if held.trades >= 500:
        return 6, 7
    return (4, 5) if held.trades >= 100 else (1, 3)


def _completeness(held: Held) -> float | None:
    if held.official is None:
        return None
    return min(held.volume / held.official, 1.0) if held.official else 1.0
