"""The Python reader of one market that several venues make."""

from typing import Any

import msgspec

from gapless.asking import Moment, asked_range, rows_of, spans_of
from gapless.errors import BadInput
from gapless.model import Grid
from gapless.results import (
    CONSOLIDATED,
    CONSOLIDATED_TRADES,
    ConsolidatedCandle,
    ConsolidatedTrade,
    Rows,
    Switch,
)
from gapless.sources import Source


class ConsolidatedReader:
    """Reads what several venues make of one instrument: each minute and each trade of one source, which it names."""

    def __init__(self, source: Source, id: str) -> None:
        self._source = source
        self.id = id

    def candles(
        self,
        timeframe: str,
        *,
        last: int | None = None,
        start: Moment | None = None,
        end: Moment | None = None,
        forming: bool = False,
        grid: Grid = "midnight",
        as_of: Moment | None = None,
    ) -> Rows[ConsolidatedCandle]:
        """Give closed bars of any timeframe: the last N, those of [start, end), or all; with `forming` the open one."""
        asked = asked_range(last, start, end, as_of) | {"id": self.id, "timeframe": timeframe, "grid": grid}
        answer = self._source.ask("consolidated/candles", asked | {"live": forming})
        return rows_of(
            msgspec.convert(answer["rows"], list[ConsolidatedCandle]), CONSOLIDATED, answer, spans_of(answer)
        )

    def trades(
        self, *, start: Moment | None = None, end: Moment | None = None, as_of: Moment | None = None
    ) -> Rows[ConsolidatedTrade]:
        """Give the consolidated tape of [start, end): turn by turn, each by id."""
        answer = self._source.ask("consolidated/trades", asked_range(None, start, end, as_of) | {"id": self.id})
        rows = msgspec.convert(answer["rows"], list[ConsolidatedTrade])
        return rows_of(rows, CONSOLIDATED_TRADES, answer, spans_of(answer))

    def switches(self) -> list[Switch]:
        """List every switch to another source, oldest first."""
        return msgspec.convert(self._source.ask("consolidated/switches", {"id": self.id})["rows"], list[Switch])

    def price(self, resolution: str | None = None) -> dict[str, Any]:
        """Give one price (primary, latest or average; by default as it is set); only a running gapless has it."""
        if resolution not in (None, "primary", "latest", "average"):
            raise BadInput(f"resolution: {resolution!r} is not allowed; allowed are primary, latest, average")
        return self._source.ask("consolidated/price", {"id": self.id, "resolution": resolution})
