"""The footprint of a closed bar as streams give it: the same whenever it is read."""

from typing import Any

from msgspec.structs import replace

from gapless.derive.footprint import automatic_ticks_per_row
from gapless.model import Candle, Proof, Timeframe
from gapless.ports import TapeReader
from gapless.query.footprint import bar_of
from gapless.query.footprint_minutes import BarMinutes
from gapless.query.footprint_rows import footprint_object

_WHOLE = (Proof.DISPUTED, Proof.REPAIRED, Proof.PROVEN)
_OF_THE_MOMENT = ("quality", "sources", "elapsed_ms")


def footprint_row(reader: TapeReader, instrument: str, timeframe: Timeframe, candle: Candle) -> dict[str, Any] | None:
    """Write the footprint of a bar whose candle stood so; None where its trades were not held whole then.

    Whole trades do not change any more, so the footprint is that of the moment. The height of its rows follows from
    its own range.
    """
    tape = next((tape for tape in reader.tapes(instrument) if tape.kind != "bars"), None)
    if tape is None or candle.proof not in _WHOLE or candle.high is None or candle.low is None:
        return None
    described = reader.instrument(instrument)
    minutes = BarMinutes(reader, described, tape, candle.start, timeframe.end_of(candle.start))
    if minutes.expired:
        return None
    height = automatic_ticks_per_row([candle.high - candle.low], tick=described.tick)
    bar = bar_of(minutes, timeframe, candle.start, ticks_per_row=height, began=0.0)
    row = footprint_object(
        replace(bar, proof=candle.proof, revision=candle.revision, missing=[]), described, timeframe=timeframe
    )
    return {name: value for name, value in row.items() if name not in _OF_THE_MOMENT}
