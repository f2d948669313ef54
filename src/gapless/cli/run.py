"""`gapless run`: collect and serve."""

from pathlib import Path
from typing import Annotated

import typer

from gapless.cli.options import Sets, Store


def run(
    ids: Annotated[
        list[str] | None,
        typer.Argument(
            help="Instruments such as binance:BTCUSDT, or a venue: collect.products of it, else its collect.top "
            "busiest, else all online products of its usual quote.",
            metavar="ID|VENUE ...",
        ),
    ] = None,
    store: Store = None,
    sets: Sets = None,
    movers: Annotated[
        str,
        typer.Option("--movers", help="Collect the top movers of this venue too, chosen every hour.", metavar="VENUE"),
    ] = "",
    record: Annotated[Path | None, typer.Option("--record", help="Keep every received frame in this folder.")] = None,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print a commented gapless.toml and end.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No log.")] = False,
) -> int:
    """Collect trades and candles of instruments, repair what is missed, and serve them on 127.0.0.1:8787."""
    import asyncio

    from gapless.config import commented, load
    from gapless.venues.registry import VENUES

    if print_config:
        print(commented(VENUES), end="")
        return 0
    settings = load(sets=[*(sets or ()), *([f'movers.venue="{movers}"'] if movers else [])], venues=VENUES)
    if store:
        settings.store.url = store

    from gapless.engine import Engine
    from gapless.log import Log
    from gapless.startup import lean

    lean()
    try:
        import uvloop

        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    except ImportError:
        runner = asyncio.Runner()
    with runner:
        engine = Engine(settings, ids or None, log=Log(quiet=quiet), record=record)
        runner.run(engine.run())
    return 0
