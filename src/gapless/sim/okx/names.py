"""Channels: on which path each is, what it is named by, which tape it carries."""

from __future__ import annotations

from typing import Any

from gapless.sim.streams import Stream

TAPES = {"trades": "span", "trades-all": "trade", "candle1m": "kline_1m"}
BARS = {
    "1s": "1s",
    **{f"{n}m": f"{n}m" for n in (1, 3, 5, 15, 30)},
    **{f"{n}H": f"{n}h" for n in (1, 2, 4)},
    **{f"{n}H": f"{n}h+8" for n in (6, 12)},
    **{f"{n}D": f"{n}d+8" for n in (1, 2, 3, 5)},
    "1W": "1w+8",
    "1M": "1M+8",
    "3M": "3M+8",
}
BARS |= {f"{name}utc": bar.removesuffix("+8") for name, bar in BARS.items() if bar.endswith("+8")}
VALUED = ("books-l2-tbt", "books50-l2-tbt")  # for those who are logged in and trade much
PUBLIC = (
    "tickers",
    "trades",
    "books",
    "books5",
    "bbo-tbt",
    "instruments",
    *VALUED,
)
QUIET = (  # exist, and have nothing to say here
    "books-elp",
    "books-rpi",
    "option-trades",
    "open-interest",
    "funding-rate",
    "price-limit",
    "mark-price",
    "index-tickers",
    "liquidation-orders",
    "status",
)
BUSINESS = ("trades-all", *(f"candle{bar}" for bar in BARS))
QUIET_BUSINESS = ("mark-price-candle", "index-candle", "sprd-")
NAMED_BY = ("instId", "instType", "instFamily")
STARTERS = ("trades", "trades-all")


def route_of(channel: str) -> str | None:
    """Returns the path that a channel is on, or None for one that nobody knows."""
    if channel in PUBLIC or channel in QUIET:
        return "public"
    return "business" if channel in BUSINESS or channel.startswith(QUIET_BUSINESS) else None


def stream_name(arg: dict[str, Any]) -> str:
    """Names the stream that an argument of a subscription means."""
    named = next((arg[key] for key in NAMED_BY if arg.get(key)), "")
    return f"{arg['channel']}:{named}"


def parse_name(name: str) -> Stream:
    """Takes a stream name apart."""
    channel, _, named = name.partition(":")
    return Stream(
        name,
        named if channel != "instruments" else "",
        channel,
        channel,
        named,
        tape=TAPES.get(channel),
        route=route_of(channel) or "",
        starts=channel in STARTERS,
        warms=channel == "tickers",
    )
