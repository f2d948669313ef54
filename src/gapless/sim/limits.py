"""Request weight by clock minute, 429, and bans, per address; all in real seconds."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

GRACE_S = 0.25  # what is already on its way when a refusal arrives is nobody's fault
FIRST_BAN_S = 120.0
LONGEST_BAN_S = 3 * 86_400.0
WAY_TOO_MUCH = 3  # times the limit, after which a ban follows at once

Verdict = Literal["ok", "429", "418"]


@dataclass(slots=True)
class Address:
    """What one address has used and what is held against it; times are wall seconds."""

    minute: int = 0
    used: int = 0
    refused_at: float = 0.0  # when the last 429 was delivered; 0: none stands
    refused_until: float = 0.0
    banned_until: float = 0.0
    told_at: float = 0.0  # when the last 418 was delivered; 0: not yet
    next_ban_s: float = FIRST_BAN_S
    injected: bool = False


@dataclass(slots=True)
class Totals:
    """Figures for /sim/state."""

    requests: int = 0
    weight: int = 0
    refused: int = 0
    bans: int = 0
    bans_caused: int = 0
    while_banned: int = 0
    max_weight_minute: int = 0


class Limits(Protocol):
    """What the REST side of a venue allows an address."""

    totals: Totals
    new_bans: list[tuple[bool, float]]

    def enter(self, who: str, weight: int, now: float, family: str = "") -> Verdict:
        """Charges a request to a family of endpoints that arrived at wall time `now` (s); says whether it may pass."""
        ...

    def change(self, factor: float) -> str | None:
        """Sets what is allowed to a share of the venue's own limit; says what changed, None when nothing did."""
        ...

    def lift(self) -> None:
        """Lifts what faults have brought about."""
        ...


@dataclass(slots=True)
class Limiter:
    """Counts weight in windows of a UTC clock minute and bans who goes on after a refusal."""

    limit: int
    standard: int = 0  # the venue's own limit
    addresses: dict[str, Address] = field(default_factory=lambda: defaultdict(Address))
    totals: Totals = field(default_factory=Totals)
    new_bans: list[tuple[bool, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Takes the limit as the venue's own."""
        self.standard = self.limit

    def change(self, factor: float) -> str | None:
        """Sets the limit to a share of the venue's own; says what changed, None when nothing did."""
        limit = max(int(self.standard * factor), 1)
        if limit == self.limit:
            return None
        self.limit = limit
        return f"{limit} instead of {self.standard}"

    def enter(self, who: str, weight: int, now: float, family: str = "") -> Verdict:
        """Charges a request that arrived at wall time `now` (s) and says whether it may pass."""
        address = self.addresses[who]
        totals = self.totals
        totals.requests += 1
        minute = int(now // 60)
        if minute != address.minute:
            address.minute, address.used = minute, 0
        if now < address.banned_until:
            if address.told_at and now > address.told_at + GRACE_S:
                totals.while_banned += 1
            totals.refused += 1
            return "418"
        address.used += weight
        totals.weight += weight
        totals.max_weight_minute = max(totals.max_weight_minute, address.used)
        if address.refused_until <= now:
            address.refused_at = 0.0
        went_on = address.refused_at and now > address.refused_at + GRACE_S
        if went_on or address.used >= WAY_TOO_MUCH * self.limit:
            self.ban(who, address.next_ban_s, now, caused=True)
            address.next_ban_s = min(address.next_ban_s * 2, LONGEST_BAN_S)
            totals.refused += 1
            return "418"
        if address.used > self.limit:
            totals.refused += 1
            return "429"
        return "ok"

    def ban(self, who: str, seconds: float, now: float, *, caused: bool) -> None:
        """Bans an address; `caused` tells whether it brought this on itself."""
        address = self.addresses[who]
        address.banned_until = now + seconds
        address.told_at = 0.0
        address.refused_at = 0.0
        address.injected = not caused
        self.totals.bans += 1
        self.totals.bans_caused += caused
        self.new_bans.append((caused, seconds))

    def delivered(self, who: str, status: int, now: float, retry_after: float | None) -> None:
        """Notes that a refusal was delivered; without Retry-After a 429 stands until the minute turns."""
        address = self.addresses[who]
        if status == 418:
            address.told_at = address.told_at or now
        elif status == 429:
            address.refused_at = now
            address.refused_until = now + retry_after if retry_after is not None else (now // 60 + 1) * 60

    def used(self, who: str, now: float) -> int:
        """Returns the weight used in the current minute."""
        address = self.addresses[who]
        return address.used if address.minute == int(now // 60) else 0

    def lift(self) -> None:
        """Lifts bans and refusals that were injected; what the client brought on itself stays."""
        for address in self.addresses.values():
            if address.injected:
                address.banned_until = 0.0
            address.refused_at = 0.0


@dataclass(slots=True)
class Windows:
    """Counts the requests of an address by family of endpoints in rolling windows: so many within so many seconds.

    What is refused does not count; nobody is banned.
    """

    rates: Mapping[str, tuple[int, float]]
    totals: Totals = field(default_factory=Totals)
    new_bans: list[tuple[bool, float]] = field(default_factory=list)
    _share: float = 1.0
    _passed: dict[tuple[str, str], deque[float]] = field(default_factory=lambda: defaultdict(deque))
    _minute: deque[float] = field(default_factory=deque)

    def enter(self, who: str, weight: int, now: float, family: str = "") -> Verdict:
        """Charges a request to a family of endpoints that arrived at wall time `now` (s); says whether it may pass."""
        totals, minute = self.totals, self._minute
        totals.requests += 1
        totals.weight += weight
        minute.append(now)
        while minute[0] <= now - 60.0:
            minute.popleft()
        totals.max_weight_minute = max(totals.max_weight_minute, len(minute))
        count, seconds = self.rates[family.partition(":")[0]]
        passed = self._passed[who, family]
        while passed and passed[0] <= now - seconds:
            passed.popleft()
        if len(passed) >= max(int(count * self._share), 1):
            totals.refused += 1
            return "429"
        passed.append(now)
        return "ok"

    def change(self, factor: float) -> str | None:
        """Sets what is allowed to a share of the venue's own limit; says what changed, None when nothing did."""
        if factor == self._share:
            return None
        self._share = factor
        return f"{factor:g} of every limit"

    def lift(self) -> None:
        """Has nothing to lift: a refusal stands for one request."""
