"""From the events of a stream to the values that they carry."""

from typing import Any

import msgspec

from gapless.collect.line import Line
from gapless.errors import BadNumber
from gapless.model.number import INT64
from gapless.venues.spec import Stream, Streams

# A number of too many digits, or an event of another kind than its stream's.
MISFITS = (BadNumber, AttributeError, TypeError)


class Reading:
    """Reads the runs of one venue's streams."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams

    def values(self, stream: Stream, line: Line, run: list[Any], received: int) -> list[Any]:
        """Read a run into values, all of it or none."""
        streams, kind = self._streams, stream.kind
        if line.trades and kind == line.trades.tape.kind:
            rows = streams.trades(run, line.trades.tape, received)
            if not 0 <= rows[-1].time <= INT64:
                raise BadNumber(f"the time {rows[-1].time} ns of {stream.name} does not fit into 64 bits")
            return rows
        if kind == "bars" and line.bars:
            return streams.bars(run, line.bars.tape)
        if kind == "ticker":
            return [streams.ticker(run[-1], stream.instrument)]
        if kind == "quote":
            return [streams.quote(run[-1], line.instrument.scale("trade"))]
        if kind == "heartbeat":
            return [streams.beat(run[-1])]
        if kind == "depth":
            tape = line.instrument.scale("trade")
            return [streams.depth(event, tape) for event in run]
        return []

    def each(
        self, stream: Stream, line: Line, run: list[Any], received: int
    ) -> tuple[list[Any], list[Any], list[bytes]]:
        """Read what can be read of a run in which something does not fit: values, their events, the rest as JSON."""
        values, read, odd = [], [], []
        for event in run:
            try:
                values += self.values(stream, line, [event], received)
                read.append(event)
            except MISFITS:
                odd.append(raw_of(stream, event))
        return values, read, odd


def raw_of(stream: Stream, event: Any) -> bytes:
    """Write an event that does not fit as JSON, to be kept."""
    return msgspec.json.encode({"stream": stream.name, "data": event})
