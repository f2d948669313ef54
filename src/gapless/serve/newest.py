"""Streams of newest values: tickers, quotes, books. They have no cursor; a slow client gets fewer, never old ones."""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from gapless.errors import BadInput
from gapless.model import Quote, Ticker
from gapless.query.market import Market
from gapless.serve.pages import newest_row
from gapless.serve.system import System

Kind = Literal["tickers", "quotes", "book"]
FORMS = "tickers, tickers:ID, quotes, quotes:ID, book:ID"
DEPTH = 20
_ENCODE = msgspec.json.Encoder().encode
_TYPES = {"tickers": "ticker", "quotes": "quote", "book": "book"}


def parse_newest(name: str, market: Market) -> "NewestStream | None":
    """Read the name of a stream of newest values; None where it is another kind of stream."""
    kind, _, rest = name.partition(":")
    if kind not in _TYPES:
        return None
    if kind == "book" and not rest:
        raise BadInput(f"{name!r} is no stream; allowed are {FORMS}")
    instrument = market.instrument(rest).id if rest else None
    return NewestStream(name, "tickers" if kind == "tickers" else "quotes" if kind == "quotes" else "book", instrument)


class NewestStream:
    """One subscription to newest values; it knows what its client was given last."""

    def __init__(self, name: str, kind: Kind, instrument: str | None) -> None:
        self.name = name
        self._kind = kind
        self._instrument = instrument
        self._given: dict[str, Any] = {}

    def changes(self, system: System) -> Iterator[str]:
        """Give what is newer than what was given, as it is sent."""
        for instrument, value in self._values(system):
            if self._given.get(instrument) == value:
                continue
            self._given[instrument] = value
            data = newest_row(value) if isinstance(value, Ticker | Quote) else value
            yield _ENCODE({"stream": self.name, "cursor": None, "type": _TYPES[self._kind], "data": data}).decode()

    def _values(self, system: System) -> Iterator[tuple[str, Any]]:
        if self._kind == "book" and self._instrument:
            book = system.book(self._instrument, DEPTH)
            if book is not None:
                yield self._instrument, book
            return
        for value in system.tickers() if self._kind == "tickers" else system.quotes():
            if self._instrument in {None, value.instrument}:
                yield value.instrument, value
