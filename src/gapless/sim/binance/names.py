"""Stream names: what they mean and which route delivers them."""

from __future__ import annotations

from gapless.sim.streams import Stream

PUBLIC_KINDS = ("bookTicker", "depth", "rpiDepth", "trade")
STARTERS = ("trade", "aggTrade")
TICKERS = ("ticker", "miniTicker")
TAPES = {"aggTrade": "agg", "trade": "trade", "kline_1m": "kline_1m"}


def parse_name(text: str) -> Stream:
    """Takes a stream name apart; symbols must be in lower case, else the stream exists nowhere."""
    if text.startswith("!"):
        kind, _, rest = text[1:].partition("@")
        return _stream(text, "", rest, kind, rest)
    symbol, _, label = text.partition("@")
    kind, _, speed = label.partition("@")
    return _stream(text, symbol.upper() if symbol == symbol.lower() else "", label, kind, speed)


def _stream(text: str, symbol: str, label: str, kind: str, speed: str) -> Stream:
    return Stream(
        text,
        symbol,
        label,
        kind,
        speed,
        tape=TAPES.get(kind) if symbol and not speed else None,
        route="public" if kind.rstrip("0123456789") in PUBLIC_KINDS else "market",  # of USD-M
        starts=kind in STARTERS,
        warms=kind in TICKERS,
    )
