"""Stream names: what they mean and which route delivers them."""

from __future__ import annotations

from dataclasses import dataclass

PUBLIC_KINDS = ("bookTicker", "depth", "rpiDepth", "trade")
TAPES = {"aggTrade": "agg", "trade": "trade", "kline_1m": "kline_1m"}


@dataclass(frozen=True, slots=True)
class StreamName:
    """A stream name taken apart: `symbol` in upper case ("" for all-market streams), `kind`, `speed` such as 100ms."""

    text: str
    symbol: str
    kind: str
    speed: str

    @property
    def tape(self) -> str | None:
        """Returns the tape that the stream carries, or None for values without one."""
        return TAPES.get(self.kind) if self.symbol and not self.speed else None

    @property
    def route(self) -> str:
        """Returns the route that delivers the stream on USD-M."""
        return "public" if self.kind.rstrip("0123456789") in PUBLIC_KINDS else "market"


def parse_name(text: str) -> StreamName:
    """Takes a stream name apart; symbols must be in lower case, else the stream exists nowhere."""
    if text.startswith("!"):
        kind, _, rest = text[1:].partition("@")
        return StreamName(text, "", kind, rest)
    symbol, _, rest = text.partition("@")
    kind, _, speed = rest.partition("@")
    known = symbol.upper() if symbol == symbol.lower() else ""
    return StreamName(text, known, kind, speed)
