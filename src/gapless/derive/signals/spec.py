"""What a rule is given and what it gives: one pure function from a window to a signal."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from gapless.derive.signals.settings import SignalSettings
from gapless.model import Candle, Proof, State, Timeframe
from gapless.model.footprint import Footprint
from gapless.model.signal import Fact, Signal


class Window(Struct, frozen=True, kw_only=True):
    """What a rule may look at.

    `bars` are closed bars of `timeframe`, oldest first and without a break (a missing one is a missing candle); the
    last is the one that is judged. There are as many as the rule asked for or more, fewer where none lie before.
    `coarse` are closed bars of the other timeframe that it asked for, oldest first and without a break too, ended at
    or before the end of the last bar. Prices and sizes are scaled integers. `footprint` forms the footprint of the
    judged bar with its proof, None where no trades are held; it costs something, so it is asked for last.
    """

    instrument: str
    price_digits: int
    size_digits: int
    tick: int
    timeframe: Timeframe
    bars: Sequence[Candle]
    coarse: Sequence[Candle] = ()
    footprint: Callable[[], tuple[Footprint, Proof] | None] = lambda: None


class Ready(Struct, frozen=True, kw_only=True):
    """A rule with its thresholds for one timeframe: the bars that it looks at, and its judgement.

    `bars` counts the judged one. `coarse` names another timeframe and how many bars of it are looked at. With fewer
    bars than `warm_up` it may have nothing to say.
    """

    kind: str
    bars: int
    warm_up: int
    thresholds: dict[str, Fact]
    judge: Callable[[Window], Signal | None]
    coarse: tuple[Timeframe, int] | None = None


class Rule(Struct, frozen=True, kw_only=True):
    """A rule as the registry knows it.

    `section` is its section of the settings. `ready` binds it to the thresholds of a timeframe; it gives nothing where
    the rule is not judged, and several where it is a family (a pattern each).
    """

    section: str
    summary: str
    inputs: str
    ready: Callable[[SignalSettings, Timeframe], tuple[Ready, ...]]


def usable(bar: Candle, least: Proof) -> bool:
    """Say whether a bar may be looked at: closed, not made up, and proven well enough."""
    return bar.proof >= least and bar.state in _HAPPENED


_HAPPENED = (State.TRADED, State.EMPTY)
