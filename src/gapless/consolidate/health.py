"""Whether a source of an instrument is healthy: connected, not late, not silent, and without too many errors.

Times are monotonic ns of this machine, of what was received: clocks of venues are never compared.
"""

from collections import deque
from typing import Literal

from msgspec import Struct

from gapless.model import MINUTE, MS, SECOND
from gapless.protocol.rate import Rate

Cause = Literal["", "disconnected", "stale", "latency", "errors", "ended"]
_USUAL = 7  # mean intervals of silence that are nothing unusual
_USUAL_MOST = 60 * SECOND


class Limits(Struct, frozen=True, kw_only=True):
    """What is borne of a source: silence and round trips in ns, errors a minute."""

    stale_after: int = 3 * SECOND
    max_latency: int = 5 * SECOND
    max_errors: int = 20


class Facts(Struct, frozen=True, kw_only=True):
    """What is known of a source at one moment.

    `breaks` and `errors` are counted since the start, `broke_at` is when the newest break was; `latency` is the newest
    round trip of a heartbeat, ns; `last` is when the newest event of the instrument was received, `traded` its newest
    trade and `agreed` when others last named no trade that has not come, each 0 before any was; `behind` since when
    they have named one, else 0; `ended` says that the venue does not trade it now.
    """

    connected: bool
    breaks: int = 0
    broke_at: int = 0
    errors: int = 0
    latency: int | None = None
    last: int = 0
    traded: int = 0
    agreed: int = 0
    behind: int = 0
    ended: bool = False


class Verdict(Struct, frozen=True):
    """Healthy, or why not: a word for programs and a sentence for people; `since` when it showed first, ns."""

    cause: Cause = ""
    reason: str = ""
    since: int = 0

    @property
    def healthy(self) -> bool:
        """Whether the source may be followed."""
        return not self.cause


class Health:
    """Judges one source of one instrument whenever it is shown the facts.

    Silence, of everything or of trades alone, counts from `stale_after` on, and only once it is unusual: seven mean
    intervals of what came before, up to a minute, so that a quiet market is no outage. `breaks` and `errors` are those
    from before it is judged, which do not count.
    """

    def __init__(self, limits: Limits, began: int, *, breaks: int = 0, errors: int = 0) -> None:
        self.verdict = Verdict("disconnected", "it has not connected yet", began)
        self._limits = limits
        self._rate, self._trades = Rate(), Rate()
        self._awake = began
        self._breaks, self._errors = breaks, errors
        self._recent: deque[tuple[int, int]] = deque()

    def look(self, facts: Facts, now: int, *, paused: bool = False) -> Verdict:
        """Judge anew; while reading is `paused` on our side nothing shows, and what was said stands."""
        if facts.last:
            self._rate.heard(facts.last)
        if facts.traded:
            self._trades.heard(facts.traded)
        if facts.errors > self._errors:
            self._recent.append((now, facts.errors - self._errors))
        self._errors = facts.errors
        while self._recent and now - self._recent[0][0] >= MINUTE:
            self._recent.popleft()
        if paused:
            self._awake = now
            return self.verdict
        cause, reason, since = self._judged(facts, now)
        self._breaks = facts.breaks
        if (cause, bool(reason)) != (self.verdict.cause, bool(self.verdict.reason)):
            self.verdict = Verdict(cause, reason, since)
        return self.verdict

    def _judged(self, facts: Facts, now: int) -> tuple[Cause, str, int]:
        limits = self._limits
        if facts.ended:
            return "ended", "it is not traded there now", now
        if not facts.connected:
            return "disconnected", "it is not connected", facts.broke_at or now
        if facts.breaks > self._breaks:
            return "disconnected", "its connection broke", facts.broke_at or now
        heard = max(facts.last, self._awake)
        if now - heard > self.patience:
            return "stale", f"nothing came for {(now - heard) / SECOND:.1f} s", heard
        traded = max(facts.traded, facts.agreed, self._awake)
        if self._trades.mean and now - traded > self._patience(self._trades):
            return "stale", f"no trade came for {(now - traded) / SECOND:.1f} s", traded
        if facts.behind and now - max(facts.behind, self._awake) > limits.stale_after:
            silence = (now - facts.behind) / SECOND
            return "stale", f"trades that others name have not come for {silence:.1f} s", facts.behind
        if facts.latency is not None and facts.latency > limits.max_latency:
            return "latency", f"its heartbeat takes {facts.latency // MS} ms", now
        if (errors := sum(count for _, count in self._recent)) > limits.max_errors:
            return "errors", f"{errors} errors within a minute", now
        return "", "", now

    @property
    def patience(self) -> int:
        """How long it may be silent now, ns."""
        return self._patience(self._rate)

    def _patience(self, rate: Rate) -> int:
        return max(self._limits.stale_after, min(int(rate.mean * _USUAL), _USUAL_MOST))
