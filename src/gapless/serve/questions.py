"""Reads query parameters; a mistake is one sentence that names the parameter and what is allowed."""

import time

from gapless.errors import BadInput
from gapless.model import Grid, Proof, Timeframe, parse_time, parse_timeframe
from gapless.query.market import Basis

MOST_BARS = 5_000
MOST_FOOTPRINTS = 500
MOST_MINUTES = 500_000  # that one answer folds
MOST_TRADES = 10_000
MOST_GAPS = 10_000
MOST_SIGNALS = 10_000
MOST_INDICATORS = 50
EPOCHS = ("ms", "us", "ns")


def timeframe_of(text: str, grid: str) -> Timeframe:
    """Read `timeframe` and `grid`."""
    one_of(grid, "grid", ("midnight", "epoch"))
    word: Grid = "epoch" if grid == "epoch" else "midnight"
    return parse_timeframe(text, word)


def basis_of(text: str) -> Basis:
    """Read `basis`."""
    one_of(text, "basis", ("venue", "tape"))
    return "tape" if text == "tape" else "venue"


def proof_of(text: str, name: str) -> Proof:
    """Read a proof that is better than partial."""
    allowed = tuple(proof.text for proof in Proof if proof > Proof.PARTIAL)
    one_of(text, name, allowed)
    return Proof[text.upper()]


def span_of(start: str | None, end: str | None) -> tuple[int | None, int | None]:
    """Read `start` and `end` as ns UTC."""
    begin, until = moment_of(start, "start"), moment_of(end, "end")
    if begin is not None and until is not None and until <= begin:
        raise BadInput("end must be later than start")
    return begin, until


def moment_of(text: str | None, name: str) -> int | None:
    """Read a time as ns UTC."""
    if text is None:
        return None
    try:
        return parse_time(text.replace(" ", "+"), time.time_ns())  # an unescaped + of a zone or of +6h
    except BadInput as error:
        raise BadInput(f"{name}: {error}") from error


def one_of(value: str | None, name: str, allowed: tuple[str, ...]) -> None:
    """Check a parameter that has a few allowed words."""
    if value is not None and value not in allowed:
        raise BadInput(f"{name}: {value!r} is not allowed; allowed are {', '.join(allowed)}")


def at_most(value: int, name: str, most: int) -> int:
    """Check a number of rows."""
    if not 1 <= value <= most:
        raise BadInput(f"{name}: {value} is not allowed; allowed are 1 to {most}")
    return value


def bars_at_most(timeframe: Timeframe, most: int) -> int:
    """Give how many bars one answer may hold: `most`, and fewer where each folds many minutes."""
    return min(most, max(1, MOST_MINUTES // timeframe.minutes))


def bars_asked(timeframe: Timeframe, last: int | None, *, most: int, start: str | None, end: str | None) -> int | None:
    """Check `last`, which goes alone."""
    if last is None:
        return None
    if start or end:
        raise BadInput("last goes alone; a range is start and end")
    return at_most(last, "last", bars_at_most(timeframe, most))
