"""The environment variables that set something, each to its key; the text is read as the kind of its setting."""

from collections.abc import Mapping
from math import isfinite
from types import UnionType
from typing import Any, get_args, get_origin

import msgspec
from msgspec import Struct

from gapless.errors import BadInput
from gapless.venues.registry import VENUES


def _keys() -> dict[str, str]:
    """Name the variables of the venues' keys, and of their secrets where something is signed."""
    found = {}
    for name, venue in VENUES.items():
        prefix = f"GAPLESS_{name.upper().replace('-', '_')}_API_"
        found[f"{prefix}KEY"] = f"venues.{name}.api_key"
        if venue.sign is not None:
            found[f"{prefix}SECRET"] = f"venues.{name}.api_secret"
    return found


VARIABLES: dict[str, str] = {
    "GAPLESS_STORE": "store.url",
    "ENABLE_WEBSOCKET_FEEDS": "collect.streams",
    "PRIMARY_EXCHANGE": "consolidate.primary",
    "ENABLE_FAILOVER": "consolidate.failover",
    "MAX_SOURCE_LATENCY": "consolidate.max_latency_ms",
    "CONFLICT_RESOLUTION": "consolidate.resolution",
    "MONITORING_CRYPTOS": "collect.products",
    "TOP_USD_PAIRS": "collect.top",
    "PRODUCTS_PER_CONNECTION": "collect.products_per_connection",
    "VOLUME_THRESHOLD": "signals.volume_spike.threshold",
    "WINDOW_MINUTES": "signals.volume_spike.window_minutes",
    **_keys(),
}
_WORDS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


def from_environment(environ: Mapping[str, str], settings: type[Struct]) -> dict[str, tuple[str, Any]]:
    """Give what the environment sets, key to (variable, value); an empty variable sets nothing.

    Raises `BadInput`, which begins with the name of the variable.
    """
    found: dict[str, tuple[str, Any]] = {}
    for variable, key in VARIABLES.items():
        if text := environ.get(variable):
            found[key] = (variable, read(variable, text, kind_of(key, settings)))
    return found


def kind_of(key: str, settings: type[Struct]) -> Any:
    """Give the kind of the setting of a key."""
    kind: Any = settings
    for part in key.split("."):
        if get_origin(kind) is dict:
            kind = get_args(kind)[1]
        else:
            kind = next(field.type for field in msgspec.structs.fields(kind) if field.name == part)
    if get_origin(kind) is UnionType:
        (kind,) = (one for one in get_args(kind) if one is not type(None))
    return kind


def read(variable: str, text: str, kind: Any) -> Any:
    """Read the text of a variable as a value of a kind; a list has commas between its parts."""
    word = text.strip()
    if get_origin(kind) in (list, tuple):
        return [part.strip() for part in word.split(",") if part.strip()]
    value: Any = word
    allowed = ""
    if kind is bool:
        value, allowed = _WORDS.get(word.lower()), "true and false"
    elif kind is int:
        value, allowed = _number(word, int), "is a whole number"
    elif kind is float:
        value, allowed = _number(word, float), "is a number"
    if value is None:
        raise BadInput(f"{variable}: {text!r} is not allowed; allowed {'are ' if kind is bool else ''}{allowed}")
    return value


def _number(word: str, kind: type[int] | type[float]) -> int | float | None:
    try:
        value = kind(word)
        return value if isfinite(value) else None
    except (ValueError, OverflowError):
        return None
