"""Control messages of an Advanced Trade connection: one channel each, perhaps with a token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

DATA = {  # as it is asked for -> as its frames call it
    "heartbeats": "heartbeats",
    "market_trades": "market_trades",
    "ticker": "ticker",
    "ticker_batch": "ticker_batch",
    "level2": "l2_data",
    "candles": "candles",
    "status": "status",
}
WITHOUT_PRODUCTS = ("heartbeats", "status")
UNAUTHENTICATED = "authentication failure"
Held = dict[str, list[str]]  # products by channel, as they were asked for


@dataclass(slots=True)
class Outcome:
    """What a message did: the words of an error, and the products of its channel that were asked for or given up.

    `listed` tells that the whole set is to be listed. A channel without products has the product "".
    """

    channel: str = ""
    asked: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    error: str | None = None
    listed: bool = False
    subscribed: bool = False  # it was a subscription, whatever came of it


def decoded(text: str) -> dict[str, Any] | None:
    """Returns a message, or None where it is no JSON object."""
    try:
        message = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    return message if isinstance(message, dict) else None


def answer(message: dict[str, Any] | None, held: Held, known: Callable[[str], bool]) -> Outcome:
    """Carries out one message on the set of a connection; a channel that does not exist is told as one forbidden."""
    kind = message.get("type") if message is not None else None
    if message is None or kind not in ("subscribe", "unsubscribe"):
        return Outcome(error="invalid message")
    channel = message.get("channel")
    out = Outcome(str(channel), subscribed=kind == "subscribe")
    if channel not in DATA:
        out.error = UNAUTHENTICATED if isinstance(channel, str) and channel else "channel is required"
        return out
    given = message.get("product_ids")
    wanted = list(dict.fromkeys(str(item) for item in given)) if isinstance(given, list) else []
    out.listed = True
    if not out.subscribed:
        listed = held.get(channel, [])
        gone = [product for product in listed if product in wanted] if wanted else list(listed)
        out.dropped = gone or ([""] if channel in held else [])
        left = [product for product in listed if product not in gone]
        held.pop(channel, None)
        if left:
            held[channel] = left
        return out
    if channel in WITHOUT_PRODUCTS:
        held.setdefault(channel, [])
        out.asked = [""]
        return out
    strange = [product for product in wanted if not known(product)]
    if strange or not wanted:
        out.error = f"{strange[0]} is not a valid product" if strange else "product_ids are required"
    out.asked = [product for product in wanted if product not in strange]
    out.listed = bool(out.asked)
    if out.asked:
        held[channel] = list(dict.fromkeys(held.get(channel, []) + out.asked))
    return out
