"""Requests by a bucket of tokens that fills as time passes, per address; nobody is ever banned."""

from __future__ import annotations

from dataclasses import dataclass, field

from gapless.sim.limits import Totals, Verdict


@dataclass(slots=True)
class Tokens:
    """What one address has left, as of a second; and what it asked for in a clock minute."""

    left: float
    at: float
    minute: int = 0
    asked: int = 0


@dataclass(slots=True)
class Bucket:
    """Allows `rate` requests a second, and `burst` at once: tokens = min(burst, tokens + passed x rate)."""

    rate: float
    burst: float
    totals: Totals = field(default_factory=Totals)
    new_bans: list[tuple[bool, float]] = field(default_factory=list)
    _share: float = 1.0
    _addresses: dict[str, Tokens] = field(default_factory=dict)

    def take(self, who: str, now: float) -> bool:
        """Takes a token at `now` (s, of any clock that does not jump); False when there is none."""
        tokens = self._addresses.get(who)
        if tokens is None:
            tokens = self._addresses[who] = Tokens(self.burst * self._share, now)
        passed = max(now - tokens.at, 0.0)
        tokens.left = min(self.burst * self._share, tokens.left + passed * self.rate * self._share)
        tokens.at = now
        if tokens.left < 1.0:
            return False
        tokens.left -= 1.0
        return True

    def left(self, who: str) -> int:
        """Returns the whole tokens that an address had left when it last asked."""
        tokens = self._addresses.get(who)
        return int(tokens.left) if tokens is not None else int(self.burst)

    def enter(self, who: str, weight: int, now: float, family: str = "") -> Verdict:
        """Counts a request that arrived at wall time `now` (s) and says whether it may pass."""
        passes = self.take(who, now)
        tokens, totals, minute = self._addresses[who], self.totals, int(now // 60)
        if minute != tokens.minute:
            tokens.minute, tokens.asked = minute, 0
        tokens.asked += 1
        totals.requests += 1
        totals.weight += weight
        totals.max_weight_minute = max(totals.max_weight_minute, tokens.asked)
        if not passes:
            totals.refused += 1
        return "ok" if passes else "429"

    def change(self, factor: float) -> str | None:
        """Sets what is allowed to a share of the venue's own limit; says what changed, None when nothing did."""
        if factor == self._share:
            return None
        self._share = factor
        return f"{self.rate * factor:g} a second instead of {self.rate:g}"

    def lift(self) -> None:
        """Has nothing to lift: a refusal stands for no longer than the bucket is empty."""
