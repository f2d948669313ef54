"""What the presets of all venues have in common; each venue states a storm of its own."""

from __future__ import annotations

from gapless.sim.faults.script import Entry

PERIOD = 20.0  # real seconds after which a mark of a storm comes again

NONE: list[Entry] = []

CALM = [
    Entry("double", at=10.0, every=60.0, count=20),
    Entry("disconnect", at=20.0, every=60.0),
]
