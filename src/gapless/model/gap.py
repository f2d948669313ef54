"""A hole in a tape: wanted, not held, and named."""

from typing import Literal

from msgspec import Struct

GapState = Literal["open", "repaired", "permanent", "expired"]


class Gap(Struct, frozen=True, kw_only=True):
    """Ids `first` to `last` of a tape that are wanted and not held.

    `opened` and `closed` are ns UTC of this machine; `cause` says what made it (disconnect, jump, start,
    silent, overload). `reason` says why a permanent one cannot be filled, and of a repaired one what is left of it as a
    permanent gap of its own. A permanent gap is asked for no more; what comes all the same repairs it. So is an expired
    one, whose ids grew older than what is kept.
    """

    tape: int
    first: int
    last: int
    opened: int
    cause: str
    state: GapState = "open"
    closed: int | None = None
    reason: str = ""

    @property
    def size(self) -> int:
        """How many ids it spans."""
        return self.last - self.first + 1
