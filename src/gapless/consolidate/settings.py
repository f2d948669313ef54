"""What can be set about instruments that several venues trade."""

from collections.abc import Collection
from typing import Literal, get_args

from msgspec import Struct, field

from gapless.errors import BadInput, UnknownName

Resolution = Literal["primary", "latest", "average"]


class UnifiedSettings(Struct, forbid_unknown_fields=True, kw_only=True):
    """One consolidated instrument, by its unified symbol: its sources by id, and what differs for it.

    Empty `sources` are all that are collected of the symbol; `primary` is one of their venues or ids.
    """

    sources: list[str] = field(default_factory=list)
    primary: str = ""
    stale_after_ms: int | None = None


class ConsolidateSettings(Struct, forbid_unknown_fields=True, kw_only=True):
    """What is collected at two venues or more is one market: its primary source, and when another one takes over."""

    enabled: bool = True
    primary: str = ""
    failover: bool = True
    max_latency_ms: int = 5_000
    stale_after_ms: int = 3_000
    max_errors: int = 20
    dwell_s: int = 30
    resolution: str = "primary"
    outlier_mads: float = 3.0
    instruments: dict[str, UnifiedSettings] = field(default_factory=dict)


def check(settings: ConsolidateSettings, venues: Collection[str]) -> None:
    """Refuse, in one sentence that names the key, what names nothing or never, or always, takes over."""
    if settings.primary not in venues:
        raise UnknownName(
            f"consolidate.primary: there is no venue {settings.primary!r}; allowed are {', '.join(venues)}"
        )
    if settings.resolution not in get_args(Resolution):
        allowed = ", ".join(get_args(Resolution))
        raise BadInput(f"consolidate.resolution: {settings.resolution!r} is not allowed; allowed are {allowed}")
    bounds = {"max_latency_ms": 1, "stale_after_ms": 100, "max_errors": 1, "dwell_s": 0}
    for key, least in bounds.items():
        if (value := getattr(settings, key)) < least:
            raise BadInput(f"consolidate.{key}: {value} is not allowed; {least} or more is")
    if not settings.outlier_mads > 0:
        raise BadInput(f"consolidate.outlier_mads: {settings.outlier_mads:g} is not allowed; more than 0 is")
    taken: dict[str, str] = {}
    for name, own in settings.instruments.items():
        _check_own(f"consolidate.instruments.{name}", own)
        for source in own.sources:
            if (other := taken.setdefault(source, name)) != name:
                raise BadInput(f"consolidate.instruments.{name}.sources: {source} is a source of {other} already")
    for name, own in settings.instruments.items():
        for key, ids in (("sources", own.sources), ("primary", [own.primary] if own.primary else [])):
            if strange := [venue for one in ids if (venue := one.partition(":")[0]) not in venues]:
                raise UnknownName(
                    f"consolidate.instruments.{name}.{key}: there is no venue {strange[0]!r}; "
                    f"allowed are {', '.join(venues)}"
                )


def _check_own(key: str, own: UnifiedSettings) -> None:
    if own.stale_after_ms is not None and own.stale_after_ms < 100:
        raise BadInput(f"{key}.stale_after_ms: {own.stale_after_ms} is not allowed; 100 or more is")
    for source in own.sources:
        if not all(source.partition(":")):
            raise BadInput(f"{key}.sources: {source!r} names no venue; an id is venue:symbol")
    if len(set(own.sources)) != len(own.sources):
        raise BadInput(f"{key}.sources: one is named twice")
    chosen = {source.partition(":")[0] for source in own.sources} | set(own.sources)
    if own.primary and own.sources and own.primary not in chosen:
        raise BadInput(f"{key}.primary: {own.primary!r} is none of its sources; allowed are {', '.join(own.sources)}")
