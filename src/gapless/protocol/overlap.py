"""When a successor may take over: what flows on the old connection flows on the new one, joined by id."""

from collections.abc import Callable, Iterable

from msgspec import Struct

from gapless.model import SECOND
from gapless.protocol.phases import Subscribed
from gapless.protocol.session import TRADES, Session, Subscription

QUIET = 2 * SECOND  # a quiet stream is read on both connections for so long
LIMIT = 10 * SECOND  # a successor that is not ready by then is given up


class Overlap(Struct, frozen=True):
    """Two sessions of the same streams; `linked` says whether a stream of trades is held up to its first id here.

    A quiet stream needs no more than its acknowledgement: the same route delivers, both are read for two seconds,
    and a loss would show itself at the next id.
    """

    old: Session
    new: Session
    linked: Callable[[str], bool]

    def waiting(self, now: int, names: Iterable[str] | None = None) -> str | None:
        """Name a stream, of all or of some, for which the successor is not ready; None when it may take over."""
        for name in self.new.subscriptions if names is None else names:
            fresh = self.new.subscriptions.get(name)
            if fresh is None or not self._ready(name, fresh, self.old.subscriptions.get(name), now):
                return name
        return None

    def _ready(self, name: str, fresh: Subscription, former: Subscription | None, now: int) -> bool:
        if fresh.phase is Subscribed.REJECTED:
            return former is None or former.phase is not Subscribed.LIVE
        if fresh.phase is Subscribed.LIVE:
            return former is None or fresh.stream.kind not in TRADES or self.linked(name)
        if fresh.phase is not Subscribed.CONFIRMED or now - fresh.since < QUIET:
            return False
        return former is None or former.last <= fresh.since
