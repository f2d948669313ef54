"""`gapless cleanup`: lets go of what is older than it should be kept, and of imports by name."""

from typing import TYPE_CHECKING, Annotated

import typer

from gapless.cli.options import AsJson, InEnvironment, Sets, Store, environment

if TYPE_CHECKING:
    from gapless.collect.retention import Going

_AGE = "instead of the setting; empty: for ever."


def cleanup(
    trades: Annotated[str | None, typer.Option("--trades", help=f"Trades older than this go, as in 7d, {_AGE}")] = None,
    ladders: Annotated[
        str | None, typer.Option("--ladders", help=f"Ladders, which footprints are made of, {_AGE}")
    ] = None,
    events: Annotated[str | None, typer.Option("--events", help=f"Events, {_AGE}")] = None,
    imported: Annotated[
        list[str] | None,
        typer.Option("--imported", help="Also what was imported or asked for of this instrument.", metavar="ID"),
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Print what would go and end.")] = False,
    store: Store = None,
    sets: Sets = None,
    json: AsJson = False,
    env: InEnvironment = None,
) -> int:
    """Drop what is too old, also beside a running gapless; candles stay for ever, imports until they are named."""
    import asyncio

    import msgspec

    from gapless.adapters import open_store
    from gapless.collect.retention import Retention
    from gapless.config import load
    from gapless.net.clock import SystemClock
    from gapless.query.resolve import resolve
    from gapless.tape.aging import read_age
    from gapless.venues.registry import VENUES

    asked = {"trades": trades, "ladders": ladders, "events": events}
    ages = msgspec.structs.replace(
        load(sets=list(sets or ()), venues=VENUES).store.ages(),
        **{kind: read_age(f"--{kind}", text) for kind, text in asked.items() if text is not None},
    )
    reader = open_store(store, environment=environment(env), readonly=True)
    names = [resolve(text, reader.instruments(), where="the store holds").id for text in imported or ()]
    clock = SystemClock()
    going = Retention(reader, ages, clock, imported=names).plan()
    reader.close()
    told: dict[str, object] = {"plan": [_told(one) for one in going]}
    said = f"{'this' if going else 'nothing'} would go"
    if not plan:
        writer = open_store(store, environment=environment(env))
        done = asyncio.run(Retention(writer, ages, clock, imported=names).run())
        writer.close()
        told |= {"done": msgspec.structs.asdict(done)}
        said = done.sentence
    if json:
        print(msgspec.json.encode(told).decode())
        return 0
    for one in going:
        print(_line(one))
    print(said)
    return 0


def _told(going: "Going") -> dict[str, object]:
    from gapless.model import iso

    times = {name: None if (at := getattr(going, name)) is None else iso(at) for name in ("start", "end")}
    return {"tape": going.tape, "kind": going.kind, "rows": going.rows, "bytes": going.bytes, **times}


def _line(going: "Going") -> str:
    told = _told(going)
    size = "" if going.bytes is None else f", {going.bytes / 1e6:,.1f} MB"
    times = f", {told['start']} to {told['end']}" if going.tape else ""
    return f"{going.tape or 'store'}: {going.rows:,} {going.kind}{size}{times}"
