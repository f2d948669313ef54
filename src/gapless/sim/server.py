"""Starting and running one simulator: options in, a listening server out."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gapless.sim.errors import PortInUse, SimError
from gapless.sim.journal import wall_ms
from gapless.sim.options import SimOptions

if TYPE_CHECKING:
    from gapless.sim.service import Service

TICK_S = 0.005
UPKEEP_TICKS = 50
HOST = "127.0.0.1"


def build(options: SimOptions) -> Service:
    """Builds a simulator from its options; reads captures, so it may take a second."""
    from gapless.sim.changes import check_possible, not_done_yet
    from gapless.sim.clock import MarketClock
    from gapless.sim.faults.engine import Faults
    from gapless.sim.hub import Hub
    from gapless.sim.journal import Journal
    from gapless.sim.registry import venue_of
    from gapless.sim.service import Service

    if options.speed <= 0:
        raise SimError(f"speed {options.speed:g} is not allowed; give a number above 0")
    if options.instruments < 1:
        raise SimError(f"instruments {options.instruments} is not allowed; give at least 1")
    venue, script = venue_of(options)
    if options.captures:
        market = venue.markets.captured(options.captures)
    else:
        market = venue.markets.synthetic(options.seed, options.instruments, options.at_ms)
    listed = {entry.symbol for entry in script if entry.kind == "listing" and entry.symbol is not None}
    for entry in script:
        check_possible(entry, venue, market, listed)
    clock = MarketClock(market.start_ms, market.end_ms, options.speed, options.world)
    journal = Journal(options.journal)
    entries = not_done_yet(script, journal.changes) if clock.resumed else script
    faults = Faults(entries, journal, options.seed)
    hub = Hub(venue, market, clock, journal, faults)
    journal.write("start", venue=venue.name, wall_ms=wall_ms(), market_ms=hub.now)
    return Service(hub, options.api_key)


async def serve(
    options: SimOptions, on_ready: Callable[[dict[str, Any]], None], stop: asyncio.Event | None = None
) -> None:
    """Serves until SIGINT, SIGTERM or `stop`; calls `on_ready` once with where it listens."""
    from aiohttp import web

    service = build(options)
    gc.freeze()
    runner = web.AppRunner(
        service.application(), access_log=None, handle_signals=False, shutdown_timeout=0.2, keepalive_timeout=75
    )
    await runner.setup()
    site = web.TCPSite(runner, HOST, options.port, backlog=512)
    try:
        await site.start()
    except OSError as error:
        await runner.cleanup()
        service.close()
        raise PortInUse(
            f"port {options.port} is in use or not allowed ({error.strerror}); give another one, or 0 for a free one"
        ) from None
    stopped = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(ValueError, NotImplementedError, RuntimeError):
            loop.add_signal_handler(number, stopped.set)
    port = runner.addresses[0][1]
    hub = service.hub
    on_ready(
        {
            "url": f"http://{HOST}:{port}",
            "venue": hub.venue.name,
            "symbols": list(hub.market.symbols),
            "api_key": options.api_key if hub.venue.keyed else "",
            "rest": hub.venue.rest_path,
            "sockets": hub.venue.socket_paths,
        }
    )
    try:
        await _run(service, stopped)
    finally:
        service.hang_up()
        await runner.cleanup()
        service.close()


async def _run(service: Service, stopped: asyncio.Event) -> None:
    count = 0
    while not stopped.is_set():
        service.hub.tick()
        count += 1
        if count % UPKEEP_TICKS == 0:
            service.upkeep()
        await asyncio.sleep(TICK_S)
