"""Options that several commands share, and how they are read."""

import time
from pathlib import Path
from typing import Annotated

import typer

from gapless.errors import BadInput
from gapless.model import Environment, parse_time

Store = Annotated[
    str | None, typer.Option("--store", help="The store: sqlite:///FILE. Default: GAPLESS_STORE, else ./gapless.db.")
]
Start = Annotated[str | None, typer.Option("--start", help="Begin of the range: ISO 8601, epoch, now or -6h.")]
End = Annotated[str | None, typer.Option("--end", help="End of the range, exclusive.")]
Format = Annotated[str, typer.Option("--format", help="table, csv, json or parquet.")]
Epoch = Annotated[
    str | None, typer.Option("--epoch", help="Write times as epochs in ms, us or ns instead of ISO 8601.")
]
Output = Annotated[Path | None, typer.Option("--output", help="Write to a file instead of the terminal.")]
InEnvironment = Annotated[
    str | None, typer.Option("--environment", help="live, demo or sim, where a store holds several.")
]
With = Annotated[
    list[str] | None,
    typer.Option("--with", help="Add an indicator: sma:200, ichimoku, ... (gapless indicators).", metavar="INDICATOR"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def moment(text: str | None, option: str) -> int | None:
    """Read a time option."""
    if text is None:
        return None
    try:
        return parse_time(text, time.time_ns())
    except BadInput as error:
        raise BadInput(f"{option}: {error}") from error


def one_of(value: str | None, option: str, allowed: tuple[str, ...]) -> str | None:
    """Check an option that has a few allowed words."""
    if value is not None and value not in allowed:
        raise BadInput(f"{option}: {value!r} is not allowed; allowed are {', '.join(allowed)}")
    return value


def environment(value: str | None) -> Environment | None:
    """Read `--environment`."""
    return one_of(value, "--environment", ("live", "demo", "sim"))  # type: ignore[return-value]


def ordered(start: int | None, end: int | None) -> None:
    """Refuse a range that ends before it begins."""
    if start is not None and end is not None and end <= start:
        raise BadInput("--end must be later than --start")


Sets = Annotated[list[str] | None, typer.Option("--set", help="Override a setting: key=value.", metavar="KEY=VALUE")]
Fetches = Annotated[
    bool, typer.Option("--fetch", help="Fetch first, within the budget, what of it is not held; needs VENUE:SYMBOL.")
]
