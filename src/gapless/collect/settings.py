"""What can be set about collecting, and about each venue."""

from msgspec import Struct, field

from gapless.budget.host import Ceiling
from gapless.model import Environment
from gapless.venues.spec import Limits


class CollectSettings(Struct, forbid_unknown_fields=True, kw_only=True):
    """What is collected: instruments by id, how much history, how far back an earlier run is joined."""

    instruments: list[str] = field(default_factory=list)
    history: str = "180m"
    resume_within: str = "7d"
    tickers: bool = True
    quotes: bool = True
    books: list[str] = field(default_factory=list)


class VenueSettings(Struct, forbid_unknown_fields=True, kw_only=True):
    """One venue: environment, simulator address, key, which trades, and our own ceilings beside the venue's."""

    environment: Environment = "live"
    sim_url: str = ""
    api_key: str = ""
    trades_stream: str = "aggTrade"
    weight_per_minute: int = 0
    reserve: int = 0
    min_interval_ms: int = 0
    requests_per_hour: int = 0


def ceiling_of(settings: VenueSettings, limits: Limits) -> Ceiling:
    """Give what may be spent at a venue: its own limit or a lower one of ours, less the reserve."""
    return Ceiling(
        weight_per_minute=min(settings.weight_per_minute or limits.weight_per_minute, limits.weight_per_minute),
        reserve=settings.reserve,
        min_interval_ms=settings.min_interval_ms,
        requests_per_hour=settings.requests_per_hour,
    )
