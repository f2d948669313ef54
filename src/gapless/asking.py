"""How the Python readers ask and wrap answers: times as people give them, ranges, proofs, rows."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from gapless.errors import BadInput
from gapless.model import SECOND, Proof, parse_time
from gapless.model.times import epoch_ns
from gapless.results import Layout, Rows
from gapless.sources import Parameters

Moment = datetime | str | int | float
T = TypeVar("T")


def ns_of(moment: Moment) -> int:
    """Read a time as ns UTC."""
    if isinstance(moment, datetime):
        zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        since = zoned - datetime(1970, 1, 1, tzinfo=UTC)
        return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000
    if isinstance(moment, str):
        return parse_time(moment, time.time_ns())
    whole = int(moment)
    unit = epoch_ns(whole) // whole if whole else SECOND
    return epoch_ns(whole) + round((moment - whole) * unit)


def at_of(moment: Moment | None) -> int | None:
    """Read a time that may be absent."""
    return None if moment is None else ns_of(moment)


def asked_range(last: int | None, start: Moment | None, end: Moment | None, as_of: Moment | None = None) -> Parameters:
    """Read what range is meant, and as of when; times as ns UTC."""
    if last is not None and (start is not None or end is not None):
        raise BadInput("last goes alone; a range is start and end")
    if last is not None and last < 1:
        raise BadInput(f"last: {last} is not allowed; allowed is a number from 1 on")
    begin, until = at_of(start), at_of(end)
    if begin is not None and until is not None and until <= begin:
        raise BadInput("end must be later than start")
    return {"last": last, "start": begin, "end": until, "as_of": at_of(as_of)}


def proof_of(least: str | Proof | None) -> Proof | None:
    """Read a proof that may be absent."""
    if least is None or isinstance(least, Proof):
        return least
    try:
        return Proof[least.upper()]
    except KeyError:
        raise BadInput(f"{least!r} is no proof; allowed are {', '.join(p.text for p in Proof)}") from None


def spans_of(answer: dict[str, Any]) -> list[tuple[datetime, datetime]]:
    """Give what an answer says is missing."""
    return msgspec.convert(answer["missing"], list[tuple[datetime, datetime]])


def rows_of(
    rows: Sequence[T], layout: Layout, answer: dict[str, Any], missing: list[tuple[datetime, datetime]]
) -> Rows[T]:
    """Wrap the rows of an answer with what is known of them."""
    return Rows(
        rows, layout, proof=answer["proof"], revision=answer["revision"], sources=answer["sources"], missing=missing,
        elapsed_ms=answer["elapsed_ms"], fetch=answer.get("fetch"),
    )  # fmt: skip
