"""The values: what every part of gapless speaks of."""

from gapless.model.candle import VALUES, Bar, Candle, MinuteFold
from gapless.model.footprint import Ladder
from gapless.model.gap import Gap, GapState
from gapless.model.instrument import Environment, Instrument
from gapless.model.proof import Evidence, Origin, Proof, State
from gapless.model.quote import Level, Quote, Ticker
from gapless.model.span import Span
from gapless.model.tape import SIDE_NAMES, Side, Tape, TapeKind, Trade
from gapless.model.timeframe import MINUTE_1, Grid, Timeframe, parse_timeframe
from gapless.model.times import DAY, HOUR, MINUTE, MS, SECOND, iso, parse_duration, parse_time

__all__ = [
    "DAY",
    "HOUR",
    "MINUTE",
    "MINUTE_1",
    "MS",
    "SECOND",
    "SIDE_NAMES",
    "VALUES",
    "Bar",
    "Candle",
    "Environment",
    "Evidence",
    "Gap",
    "GapState",
    "Grid",
    "Instrument",
    "Ladder",
    "Level",
    "MinuteFold",
    "Origin",
    "Proof",
    "Quote",
    "Side",
    "Span",
    "State",
    "Tape",
    "TapeKind",
    "Ticker",
    "Timeframe",
    "Trade",
    "iso",
    "parse_duration",
    "parse_time",
    "parse_timeframe",
]
