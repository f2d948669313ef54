"""Control messages of a Coinbase Exchange connection, and what the venue says to them, word by word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from gapless.sim.coinbase.exchange import wire

CHANNELS = {  # as it is asked for -> as it is acknowledged
    "heartbeat": "heartbeat",
    "matches": "matches",
    "ticker": "ticker",
    "ticker_batch": "ticker_1000",
    "ticker_1000": "ticker_1000",
    "level2_batch": "level2_50",
    "level2_50": "level2_50",
    "status": "status",
    "auctionfeed": "auctionfeed",
    "rfq_matches": "rfq_matches",
}
WITHOUT_PRODUCTS = ("status",)
CLOSED = ("level2", "level3", "full")
CLOSED_WORDS = (
    "level2, level3, and full channels now require authentication. "
    "https://docs.cloud.coinbase.com/exchange/docs/websocket-auth"
)
PRIVATE = ("user", "balance")
Held = dict[str, list[str]]  # products by channel, under the acknowledged name


@dataclass(slots=True)
class Outcome:
    """What a message did: frames to send, and the pairs (channel, product) that were asked for or given up.

    `asked` holds what was subscribed already too: to ask again brings a new first frame. A channel without products
    pairs with "".
    """

    frames: list[str] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    dropped: list[tuple[str, str]] = field(default_factory=list)
    subscribed: bool = False  # it was a subscription, whatever came of it


def answer(text: str, held: Held, trouble: Callable[[str], str | None]) -> Outcome:
    """Carries out one message on the set of a connection; `trouble` says why a product cannot be had, if so."""
    out = Outcome()
    try:
        message = msgspec.json.decode(text)
    except msgspec.DecodeError:
        out.frames.append(wire.error("Malformed JSON"))
        return out
    kind = message.get("type") if isinstance(message, dict) else None
    if kind not in ("subscribe", "unsubscribe"):
        out.frames.append(wire.error("Type has to be either subscribe or unsubscribe"))
        return out
    out.subscribed = kind == "subscribe"
    channels, products = message.get("channels"), _texts(message.get("product_ids"))
    if not isinstance(channels, list) or not channels:
        if kind == "unsubscribe" and products:
            channels = list(held)
        else:
            out.frames.append(wire.error(f"Failed to {kind}", "No channels provided"))
            return out
    for channel in channels:
        name, wanted = _channel(channel, products)
        if kind == "subscribe":
            _subscribe(name, wanted, held, trouble, out)
        else:
            _unsubscribe(name, wanted, held, out)
    out.frames.append(wire.subscriptions(held))
    return out


def _texts(value: Any) -> list[str]:
    return list(dict.fromkeys(str(item) for item in value)) if isinstance(value, list) else []


def _channel(channel: Any, products: list[str]) -> tuple[str, list[str]]:
    """Takes a channel apart; its own products come on top of those of the whole message."""
    if isinstance(channel, dict):
        return str(channel.get("name", "")), list(dict.fromkeys(products + _texts(channel.get("product_ids"))))
    return str(channel), products


def _subscribe(name: str, wanted: list[str], held: Held, trouble: Callable[[str], str | None], out: Outcome) -> None:
    refused = _refused(name)
    if refused is not None:
        out.frames.append(wire.error("Failed to subscribe", refused))
        return
    channel = CHANNELS[name]
    if name in WITHOUT_PRODUCTS:
        held.setdefault(channel, [])
        out.asked.append((channel, ""))
        return
    reasons = [(product, trouble(product)) for product in wanted or [""]]
    bad = next((reason for _, reason in reasons if reason is not None), None)
    if bad is not None:
        out.frames.append(wire.error("Failed to subscribe", bad))
    for product, reason in reasons:
        if reason is None:
            listed = held.setdefault(channel, [])
            if product not in listed:
                listed.append(product)
            out.asked.append((channel, product))


def _refused(name: str) -> str | None:
    if name in CLOSED:
        return CLOSED_WORDS
    if name in PRIVATE:
        return f"{name} channel requires authentication"
    return None if name in CHANNELS else f"{name} is not a valid channel"


def _unsubscribe(name: str, wanted: list[str], held: Held, out: Outcome) -> None:
    channel = CHANNELS.get(name, name)
    listed = held.get(channel)
    if listed is None:
        return
    gone = [product for product in listed if product in wanted] if wanted else list(listed)
    out.dropped += [(channel, product) for product in gone or [""]]
    held[channel] = [product for product in listed if product not in gone]
    if not held[channel]:
        del held[channel]
