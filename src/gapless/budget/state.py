"""What is kept of one REST host, and what may be spent there. Times are ns UTC of this machine."""

from msgspec import Struct

from gapless.model import MINUTE


class Ceiling(Struct, frozen=True, kw_only=True):
    """What may be spent: the venue's weight a minute less a reserve, and our own ceilings, 0 for none.

    With a `burst` at most so much leaves at once, and the rest evenly.
    """

    weight_per_minute: int
    burst: int = 0
    reserve: int = 0
    min_interval_ms: int = 0
    requests_per_hour: int = 0


class Doubt(Struct, frozen=True):
    """A refusal that need not be about our load: the weight used when it came, what of it had passed, its window."""

    used: int
    passed: int
    window: int


class HostState(Struct, frozen=True, kw_only=True):
    """What is known of a host, shared by every process of the machine and kept across restarts.

    `blocked_until` is 0 while the circuit is closed. After a block it stays until the one request that tries the
    host anew, the probe, has come back well; `probe` is when that one is given up. `failures` and `refusals` count
    those in a row. `learned` is a limit that the venue did not announce, `announced` one that it did; 0 for neither.
    `whole_at` is when everything that may leave at once may do so again.
    Fields may be added, with defaults: records of earlier versions are read.
    """

    window: int = 0
    used: int = 0
    hour: int = 0
    requests: int = 0
    last: int = 0
    whole_at: int = 0
    blocked_until: int = 0
    reason: str = ""
    probe: int = 0
    failures: int = 0
    refusals: int = 0
    announced: int = 0
    learned: int = 0
    learned_until: int = 0
    doubt: Doubt | None = None


def window_end(now: int) -> int:
    """Give the end of the current window, which is the UTC minute."""
    return (now // MINUTE + 1) * MINUTE
