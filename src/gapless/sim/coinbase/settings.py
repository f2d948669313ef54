"""What can be set of a simulated Coinbase: its limits, and what its documentation leaves open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from gapless.sim.connection import BACKLOG
from gapless.sim.errors import SimError
from gapless.sim.settings import applied

NEWEST, ADJACENT = "newest", "adjacent"
CHOICES = {"before": (NEWEST, ADJACENT), "side": ("maker", "taker")}


@dataclass(frozen=True, slots=True)
class Settings:
    """Limits of one surface; all of them are real seconds and counts an address.

    `before` says which of the newer rows the cursor of that name gives. `page` caps a page of Advanced Trade's trades
    without a word, `candles` one of its candles. `side` is whose side Advanced Trade tells. With `jwt_required` every
    subscription needs a token of the simulator's API key, signed by `jwt_key` where that is given (PEM); with
    `token_ends_stream` a connection ends once none of its tokens is good any more, `token_s` after it came at the
    latest.
    """

    requests_per_s: float = 10.0
    burst: float = 15.0
    messages_per_s: float = 100.0
    connections: int = 20
    connections_s: float = 2.5
    subscribe_s: float = 5.0
    heartbeat_s: float = 1.0
    before: str = NEWEST
    page: int = 1000
    candles: int = 350
    side: str = "maker"
    jwt_required: bool = False
    jwt_key: str = ""
    token_s: float = 120.0
    token_ends_stream: bool = False
    buffer_bytes: int = BACKLOG


EXCHANGE = Settings()
ADVANCED = Settings(messages_per_s=8.0, connections=8, connections_s=1.0)
EXCHANGE_ONLY = ("before",)
ADVANCED_ONLY = ("page", "candles", "side", "jwt_required", "jwt_key", "token_s", "token_ends_stream")


def settings_with(standard: Settings, given: Mapping[str, Any]) -> Settings:
    """Returns the settings of a surface with the `[limits]` of a fault file applied."""
    foreign = ADVANCED_ONLY if standard is EXCHANGE else EXCHANGE_ONLY
    allowed = [item.name for item in fields(Settings) if item.name not in foreign]
    found = applied(standard, given, allowed)
    for name, choices in CHOICES.items():
        if (value := getattr(found, name)) not in choices:
            raise SimError(f"limit {name} = {value!r} in the fault file; allowed are {', '.join(choices)}")
    return found
