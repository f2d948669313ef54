"""`gapless sim`: a simulated venue on loopback."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

TOLD = ("url", "venue", "symbols", "api_key")


def sim(
    venue: Annotated[
        str, typer.Option(help="binance (USD-M), binance-spot, okx, coinbase or coinbase-advanced.")
    ] = "binance",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")] = 0,
    capture: Annotated[list[Path] | None, typer.Option(help="Recorded market to play; may be repeated.")] = None,
    speed: Annotated[float, typer.Option(help="Market seconds per real second.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Seed of the synthetic market and of the faults.")] = 1,
    instruments: Annotated[int, typer.Option(help="Number of synthetic instruments.")] = 8,
    faults: Annotated[str, typer.Option(help="none, calm, storm, or a TOML file of faults.")] = "none",
    journal: Annotated[
        Path | None, typer.Option(help="Append what happened, and at the end the truth, to this file.")
    ] = None,
    at: Annotated[str | None, typer.Option(help="Market time at the start: ISO 8601 (UTC) or epoch.")] = None,
    world: Annotated[
        Path | None, typer.Option(help="Keep (market time, wall time) here, so that a restart goes on.")
    ] = None,
    api_key: Annotated[
        str, typer.Option(help="The key that historicalTrades of USD-M and tokens of coinbase-advanced must be of.")
    ] = "sim-key",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line when listening.")] = False,
) -> None:
    """Serve a simulated venue, REST and WebSocket, from a capture or a synthetic market."""
    from gapless.sim.errors import SimError
    from gapless.sim.options import SimOptions, read_time

    try:
        options = SimOptions(
            venue=venue,
            port=port,
            captures=tuple(capture or ()),
            speed=speed,
            seed=seed,
            instruments=instruments,
            faults=faults,
            journal=journal,
            at_ms=read_time(at) if at is not None else None,
            world=world,
            api_key=api_key,
        )
        _serve(options, as_json=as_json)
    except SimError as error:
        print(f"gapless: {error}", file=sys.stderr)
        raise typer.Exit(error.status) from None


def _serve(options: Any, *, as_json: bool) -> None:
    import asyncio

    from gapless.sim.server import serve

    def ready(where: dict[str, Any]) -> None:
        print(json.dumps({name: where[name] for name in TOLD}) if as_json else _greeting(where), flush=True)

    try:
        import uvloop
    except ImportError:
        asyncio.run(serve(options, ready))
    else:
        uvloop.run(serve(options, ready))


def _greeting(where: dict[str, Any]) -> str:
    venue, url = where["venue"], where["url"]
    socket = url.replace("http", "ws", 1)
    ids = " ".join(f"{venue}:{symbol}" for symbol in where["symbols"])
    return "\n".join(
        [
            f"Simulated {venue} with {', '.join(where['symbols'])}",
            f"REST       {url}{where['rest']}",
            f"WebSocket  {'  '.join(socket + path for path in where['sockets'])}",
            *([f"API key    {where['api_key']}"] if where["api_key"] else []),
            "Join it with:",
            f"  gapless run {ids} --set venues.{venue}.environment=sim --set venues.{venue}.sim_url={url}",
            "Ctrl-C ends it.",
        ]
    )
