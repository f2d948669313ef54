"""What can be set about collecting, and about each venue."""

from collections.abc import Collection

from msgspec import Struct, field

from gapless.budget.state import Ceiling
from gapless.errors import BadInput, UnknownName
from gapless.model import HOUR, MINUTE, Environment, TapeKind
from gapless.model.times import parse_duration
from gapless.venues.spec import Key, Limits, Venue

_MOST_MOVERS = 500  # of the highest, and of the lowest
_LONGEST_INTERVAL_MS = 3_600_000  # a request an hour


class CollectSettings(Struct, forbid_unknown_fields=True, kw_only=True):
    """What is collected: instruments by id, how much history, how far back an earlier run is joined.

    Of a venue that is named without a symbol `products` are collected, the venue's own symbols, else the `top` ones by
    quote volume of 24 h, else (0) all that are usual there. `products_per_connection` counts where a venue has no such
    setting of its own.
    """

    instruments: list[str] = field(default_factory=list)
    products: list[str] = field(default_factory=list)
    top: int = 0
    products_per_connection: int | None = None
    history: str = "180m"
    resume_within: str = "7d"
    streams: bool = True
    tickers: bool = True
    quotes: bool = True
    books: list[str] = field(default_factory=list)
    priority: list[str] = field(default_factory=list)
    fetch_at_most: str = "60s"


class MoverSettings(Struct, forbid_unknown_fields=True, kw_only=True):
    """Which top movers are collected: of one venue, USDT-quoted perpetuals by their change of the last 24 h."""

    venue: str = ""
    gainers: int = 20
    losers: int = 20
    min_quote_volume: int = 10_000_000
    min_change: int = 5
    every: str = "1h"


class VenueSettings(Struct, forbid_unknown_fields=True, kw_only=True):
    """One venue: environment, simulator address, key, which trades, its connections, and our own ceilings.

    None stands for the venue's own limit, or for no ceiling where the venue has none.
    """

    environment: Environment = "live"
    sim_url: str = ""
    api_key: str = ""
    api_secret: str = ""
    token_life: str = ""
    trades_stream: str = ""
    books_stream: str = ""
    sides: str = ""
    weight_per_minute: int | None = None
    reserve: int = 0
    min_interval_ms: int = 0
    requests_per_hour: int | None = None
    streams_per_connection: int | None = None
    products_per_connection: int | None = None
    connects_per_5m: int | None = None
    reconnect_limit: int = 0
    connection_life: str = ""
    archive: bool = True


def ceiling_of(settings: VenueSettings, limits: Limits) -> Ceiling:
    """Give what may be spent at a venue: its own limit or a lower one of ours, less the reserve."""
    return Ceiling(
        weight_per_minute=min(settings.weight_per_minute or limits.weight_per_minute, limits.weight_per_minute),
        burst=limits.burst or 0,
        reserve=settings.reserve,
        min_interval_ms=settings.min_interval_ms,
        requests_per_hour=settings.requests_per_hour or 0,
    )


def life_of(settings: VenueSettings, venue: Venue) -> int:
    """Give how long a connection may live, ns: as the venue allows, or shorter, as by the life of its token."""
    asked = (settings.connection_life, settings.token_life if settings.api_secret else "")
    return min((parse_duration(text) for text in asked if text), default=venue.limits.connection_life)


def check_movers(settings: MoverSettings, venues: Collection[str]) -> None:
    """Refuse, in one sentence that names the key, what chooses nothing or asks too often."""
    if settings.venue and settings.venue not in venues:
        raise UnknownName(f"movers.venue: there is no venue {settings.venue!r}; allowed are {', '.join(venues)}")
    for key in ("gainers", "losers"):
        if not 0 <= (value := getattr(settings, key)) <= _MOST_MOVERS:
            raise BadInput(f"movers.{key}: {value} is not allowed; allowed are 0 to {_MOST_MOVERS}")
    if settings.gainers + settings.losers == 0:
        raise BadInput("movers.gainers and movers.losers are both 0; one of them must be 1 or more")
    for key, least in (("min_quote_volume", 0), ("min_change", 1)):
        if (value := getattr(settings, key)) < least:
            raise BadInput(f"movers.{key}: {value} is not allowed; {least} or more is")
    try:
        every = parse_duration(settings.every)
    except BadInput as error:
        raise BadInput(f"movers.every: {error}") from error
    if every < MINUTE:
        raise BadInput(f"movers.every: {settings.every} is not allowed; 1m is the least")


def as_set(venue: Venue, settings: VenueSettings) -> Venue:
    """Give a venue as it is set: whose side its trades tell."""
    return venue.telling(settings.sides) if settings.sides and venue.telling else venue


def kind_of(settings: VenueSettings, venue: Venue) -> TapeKind:
    """Give the kind of tape that trades make: of the stream that was chosen, else of the venue's usual one."""
    return venue.tapes[settings.trades_stream or next(iter(venue.tapes))]


def check(settings: VenueSettings, venue: Venue) -> None:
    """Refuse, in one sentence that names the key, what the venue does not allow or what would allow nothing."""
    name, limits = venue.name, venue.limits
    for key, names in (("trades_stream", tuple(venue.tapes)), ("books_stream", venue.books)):
        if (chosen := getattr(settings, key)) and chosen not in names:
            allowed = f"allowed are {', '.join(names)}" if names else "there is but one"
            raise BadInput(f"venues.{name}.{key}: {chosen!r} is not allowed; {allowed}")
    if settings.sides and settings.sides not in venue.sides:
        allowed = f"allowed are {', '.join(venue.sides)}" if venue.sides else "whose side the venue tells is known"
        raise BadInput(f"venues.{name}.sides: {settings.sides!r} is not allowed; {allowed}")
    _check_key(settings, venue)
    weight, streams, connects = limits.weight_per_minute, limits.streams_per_connection, limits.connects_per_5m
    spendable = settings.weight_per_minute or weight
    simulated = settings.environment == "sim"
    bounds: dict[str, tuple[int, int | None, str]] = {
        "weight_per_minute": (1, weight, f"the venue allows {weight} a minute"),
        "reserve": (0, spendable - 1, f"{spendable} a minute may be spent, and some of it must be left"),
        "min_interval_ms": (0, _LONGEST_INTERVAL_MS, "a request an hour is the least"),
        "requests_per_hour": (1, None, ""),
        "streams_per_connection": (1, streams, f"the venue allows {streams} a connection"),
        "products_per_connection": (1, None, ""),
        # A simulator's attempts can be raised, to rotate many connections in a short time.
        "connects_per_5m": (1, None if simulated else connects, f"the venue allows {connects} in five minutes"),
        "reconnect_limit": (0, None, ""),
    }
    try:
        life = life_of(settings, venue)
    except BadInput as error:
        raise BadInput(f"venues.{name}.connection_life or token_life: {error}") from error
    if not 0 < life <= limits.connection_life:
        hours = limits.connection_life // HOUR
        raise BadInput(
            f"venues.{name}.connection_life: {settings.connection_life} is not allowed; the venue allows {hours}h"
        )
    for key, (least, most, why) in bounds.items():
        value = getattr(settings, key)
        if value is None or (value >= least and (most is None or value <= most)):
            continue
        known = f"{why}; " if most is not None and value > most else ""
        allowed = f"{least} or more is" if most is None else f"allowed are {least} to {most}"
        raise BadInput(f"venues.{name}.{key}: {value} is not allowed; {known}{allowed}")


def _check_key(settings: VenueSettings, venue: Venue) -> None:
    """Refuse a secret that cannot sign, before anything is signed with it."""
    if not settings.api_secret:
        return
    if venue.sign is None:
        raise BadInput(f"venues.{venue.name}.api_secret: nothing is signed at {venue.name}; leave it empty")
    if not settings.api_key:
        raise BadInput(f"venues.{venue.name}.api_key: an api_secret goes with the name of its key")
    try:
        venue.sign(Key(settings.api_key, settings.api_secret), 0, "")
    except BadInput as error:
        raise BadInput(f"venues.{venue.name}.api_secret: {error}") from error
