"""`calm` and `storm` of the simulated OKX, in the rhythm of the others; nobody is banned here."""

from __future__ import annotations

from gapless.sim.faults.presets import CALM, NONE, PERIOD
from gapless.sim.faults.script import Entry

STORM = [
    Entry("drop", rate=0.005),
    Entry("double", rate=0.005),
    Entry("reorder", rate=0.005, places=50),
    Entry("rest_lag", at=1.0, every=PERIOD, seconds=1.0, lasts=14.0),
    Entry("late_close", at=2.0, every=PERIOD, seconds=5.0),
    Entry("http_5xx", at=2.0, every=PERIOD),
    Entry("silent", at=3.5, every=PERIOD, lasts=6.0),
    Entry("disconnect", at=4.0, every=PERIOD),
    Entry("malformed", at=5.0, every=PERIOD),
    Entry("http_429", at=5.5, every=PERIOD),
    Entry("missing_close", at=6.0, every=PERIOD),
    Entry("http_50011", at=7.5, every=PERIOD),
    Entry("page_split", at=8.0, every=PERIOD),
    Entry("reset", at=8.5, every=PERIOD),
    Entry("notice", at=9.5, every=PERIOD, seconds=3.0),
]

PRESETS = {"none": NONE, "calm": CALM, "storm": STORM}
