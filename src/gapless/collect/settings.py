"""What can be set about collecting, and about each venue."""

from msgspec import Struct, field

from gapless.model import Environment


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
