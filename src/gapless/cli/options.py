"""Options that several commands share, and how they are read."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gapless.errors import BadInput
from gapless.model import Environment, parse_time

if TYPE_CHECKING:
    from gapless.query.market import Market

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
AsOf = Annotated[
    str | None, typer.Option("--as-of", help="Answer what was known at a time of this machine: ISO 8601, epoch, -6h.")
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


def opened(store: str | None, env: str | None, as_of: str | None = None) -> "Market":
    """Open the market of a store to read, as it was known at a time where one is named."""
    from gapless.adapters import open_store
    from gapless.query.market import Market

    at = moment(as_of, "--as-of")
    return Market(open_store(store, environment=environment(env), readonly=True)).as_of(at)


def unfetched(as_of: str | None, *, fetch: bool) -> None:
    """Refuse to fetch for an answer of what was known before."""
    if as_of and fetch:
        raise BadInput("--as-of goes without --fetch: what is fetched now was not known then")


def ordered(start: int | None, end: int | None) -> None:
    """Refuse a range that ends before it begins."""
    if start is not None and end is not None and end <= start:
        raise BadInput("--end must be later than --start")


Sets = Annotated[list[str] | None, typer.Option("--set", help="Override a setting: key=value.", metavar="KEY=VALUE")]
Fetches = Annotated[
    bool, typer.Option("--fetch", help="Fetch first, within the budget, what of it is not held; needs VENUE:SYMBOL.")
]
