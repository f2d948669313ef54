"""`gapless demo`: a simulated venue, the service and a comparer as three processes; at the end, the proof."""

from pathlib import Path
from typing import Annotated

import typer

from gapless.cli.options import AsJson, Sets


def demo(
    duration: Annotated[
        float | None, typer.Option("--duration", min=1, help="Real seconds of play (default 60; a capture to its end).")
    ] = None,
    capture: Annotated[
        list[Path] | None,
        typer.Option("--capture", help="Play a recording instead of a synthetic market.", metavar="FILE ..."),
    ] = None,
    more: Annotated[list[Path] | None, typer.Argument(help="Further capture files.", metavar="[FILE ...]")] = None,
    venue: Annotated[str, typer.Option("--venue", help="Whose simulator.")] = "binance",
    speed: Annotated[float, typer.Option("--speed", min=0.1, help="Market seconds a real second.")] = 1.0,
    seed: Annotated[int, typer.Option("--seed", help="Of the market and the faults.")] = 1,
    instruments: Annotated[
        int, typer.Option("--instruments", min=1, max=500, help="How many, of a synthetic market.")
    ] = 8,
    faults: Annotated[str, typer.Option("--faults", help="none, calm, storm or a file.")] = "calm",
    store: Annotated[
        str | None, typer.Option("--store", help="Keep the data here (default: a temporary folder).")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Do not delete the temporary folder.")] = False,
    sets: Sets = None,
    json: AsJson = False,
) -> int:
    """Watch gapless collect a hostile market, lose nothing, and prove it; exit status 0 only when it did."""
    import asyncio

    from gapless.demo.plan import Plan
    from gapless.demo.show import show

    files = [*(capture or ()), *(more or ())]
    plan = Plan(
        duration=duration,
        captures=files,
        venue=venue,
        speed=speed,
        seed=seed,
        instruments=instruments,
        faults=faults,
        store=store,
        keep=keep,
        sets=list(sets or ()),
        json=json,
    )
    return asyncio.run(show(plan))
