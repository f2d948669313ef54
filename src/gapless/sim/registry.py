"""The venues that can be simulated, each with the module that describes it."""

from __future__ import annotations

from importlib import import_module

from gapless.sim.errors import SimError, nearest
from gapless.sim.faults.script import Entry, load_script
from gapless.sim.options import SimOptions
from gapless.sim.venue import SimVenue

FOLDERS = {
    "binance": "binance",
    "binance-spot": "binance",
    "coinbase": "coinbase.exchange",
    "coinbase-advanced": "coinbase.advanced",
    "okx": "okx",
}


def venue_of(options: SimOptions) -> tuple[SimVenue, list[Entry]]:
    """Returns the venue of some options, with the limits of its fault script, and the script's entries."""
    if options.venue not in FOLDERS:
        close = nearest(options.venue, FOLDERS)
        raise SimError(f"unknown venue {options.venue!r}{close}; simulated are {', '.join(FOLDERS)}")
    folder = f"gapless.sim.{FOLDERS[options.venue]}"
    script = load_script(options.faults, import_module(f"{folder}.presets").PRESETS)
    venue: SimVenue = import_module(f"{folder}.simulated").simulated(options.venue, script.limits)
    return venue, script.entries
