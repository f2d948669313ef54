"""Attempts spread over time: at most so many in any stretch, a third at once and the rest evenly. Pure.

The generic cell rate algorithm: one number is kept, the time at which the allowance is whole again.
"""

from msgspec import Struct


class Pace(Struct, frozen=True):
    """At most `most` in any `per` ns."""

    most: int
    per: int

    @property
    def at_once(self) -> int:
        """How many may leave together after a rest."""
        return max(self.most // 3, 1)

    @property
    def every(self) -> int:
        """The interval (ns) at which the others follow.

        It is a hair longer than even, so that a stretch that begins and ends with an attempt holds no more either.
        """
        return self.per // max(self.most - self.at_once, 1) + 1


class Paced(Struct, frozen=True, kw_only=True):
    """What is kept: when the allowance is whole again, ns UTC of this machine."""

    whole_at: int = 0


def taken(pace: Pace, paced: Paced, now: int) -> tuple[Paced, int]:
    """Take one; give what to keep and 0, or how many ns to wait before asking again."""
    depth = pace.at_once * pace.every
    # Further ahead than it can be: written under a clock that has been set back since, or for a higher pace.
    whole_at = min(max(paced.whole_at, now), now + depth)
    if (wait := whole_at + pace.every - depth - now) > 0:
        return paced, wait
    return Paced(whole_at=whole_at + pace.every), 0
