"""The phases of a connection and of a subscription, as tables: what is not listed is illegal."""

from enum import Enum


class Phase(Enum):
    """Where a socket stands; one that is leaving is read until its successor has taken over."""

    IDLE = "idle"
    OPEN = "open"
    LEAVING = "leaving"
    CLOSED = "closed"


class Subscribed(Enum):
    """Where one subscription stands; an acknowledgement alone does not make it live."""

    WANTED = "wanted"
    PENDING = "pending"
    CONFIRMED = "confirmed"
    LIVE = "live"
    REJECTED = "rejected"


CONNECTION: dict[Phase, frozenset[Phase]] = {
    Phase.IDLE: frozenset({Phase.OPEN, Phase.CLOSED}),
    Phase.OPEN: frozenset({Phase.LEAVING, Phase.CLOSED}),
    Phase.LEAVING: frozenset({Phase.OPEN, Phase.CLOSED}),
    Phase.CLOSED: frozenset(),
}

SUBSCRIPTION: dict[Subscribed, frozenset[Subscribed]] = {
    Subscribed.WANTED: frozenset({Subscribed.PENDING}),
    # Data may overtake the acknowledgement.
    Subscribed.PENDING: frozenset({Subscribed.CONFIRMED, Subscribed.LIVE, Subscribed.REJECTED, Subscribed.WANTED}),
    Subscribed.CONFIRMED: frozenset({Subscribed.LIVE, Subscribed.PENDING, Subscribed.WANTED}),
    Subscribed.LIVE: frozenset({Subscribed.LIVE, Subscribed.PENDING, Subscribed.WANTED}),
    Subscribed.REJECTED: frozenset(),
}
