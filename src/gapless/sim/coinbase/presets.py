"""`calm` and `storm` of the simulated Coinbase, the same for both surfaces but for two things.

A page of Advanced Trade can break off, and its frames are few: four a second carry what the Exchange sends one by one.

The first marks of the storm lie in the first 10 s, so that a play of 30 s sees every kind. A silent stream is due just
before a disconnect, so that the acknowledgement of the reconnect is the one that lies.
"""

from __future__ import annotations

from gapless.sim.faults.script import Entry

PERIOD = 20.0

NONE: list[Entry] = []

CALM = [
    Entry("double", at=10.0, every=60.0, count=20),
    Entry("disconnect", at=20.0, every=60.0),
]


def by_rate(rate: float) -> list[Entry]:
    """Returns what strikes a share of all frames."""
    return [Entry("drop", rate=rate), Entry("double", rate=rate), Entry("reorder", rate=rate, places=50)]


TIMED = [
    Entry("rest_lag", at=1.0, every=PERIOD, seconds=1.0, lasts=14.0),
    Entry("http_5xx", at=2.0, every=PERIOD),
    Entry("silent", at=3.5, every=PERIOD, lasts=6.0),
    Entry("disconnect", at=4.0, every=PERIOD),
    Entry("malformed", at=5.0, every=PERIOD),
    Entry("http_429", at=5.5, every=PERIOD, retry_after=None),
    Entry("heartbeats_lost", at=6.0, every=PERIOD, lasts=3.0),
    Entry("http_5xx", at=7.5, every=PERIOD),
    Entry("reset", at=8.5, every=PERIOD),
]

STORM = [*by_rate(0.005), *TIMED]
ADVANCED_STORM = [*by_rate(0.02), *TIMED, Entry("page_split", at=8.0, every=PERIOD)]
EXCHANGE = {"none": NONE, "calm": CALM, "storm": STORM}
ADVANCED = {"none": NONE, "calm": CALM, "storm": ADVANCED_STORM}
