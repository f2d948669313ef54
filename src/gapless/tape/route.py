"""Chooses the source that answers a question the soonest: by its observed speed, its failures and its price."""

from collections.abc import Sequence

from msgspec import Struct

from gapless.model import MINUTE, MS

_SMOOTH = 4  # an ordinary answer moves the mean by one part in so many
_JUMP = 3  # an answer so many times slower or faster than the mean is a new state of affairs: believed at once
_LOOK_EVERY = 40  # one choice in so many goes to a source that is avoided, to see whether it is fast again
_LEAST = 0.05  # however often it failed, a source is thought to answer one time in twenty


class Offer(Struct, frozen=True):
    """What a source would need for a hole: `requests` in all, and their `weight` in the venue's currency."""

    source: str
    requests: int
    weight: int


class Choice(Struct, frozen=True):
    """The source chosen, and why, in a few words that people understand."""

    source: str
    why: str


class Speed(Struct):
    """What is known of a source: mean time of an answer in ns, share of failures, and the choice it last had."""

    latency: float
    failures: float = 0.0
    answers: int = 0
    chosen: int = 0


class Routes:
    """Remembers how fast each source answers, and chooses by it. `expected` is what is assumed before any answer."""

    def __init__(self, expected: dict[str, int], *, weight_per_minute: int) -> None:
        self.speeds = {source: Speed(float(latency)) for source, latency in expected.items()}
        self._weight_ns = MINUTE / weight_per_minute  # what is spent comes back at this rate
        self._choices = 0

    def answered(self, source: str, took: int) -> None:
        """Learn that a source gave an answer of use after `took` ns."""
        speed = self.speeds[source]
        if not speed.answers or not speed.latency / _JUMP < took < speed.latency * _JUMP:
            speed.latency = float(took)
        else:
            speed.latency += (took - speed.latency) / _SMOOTH
        speed.answers += 1
        speed.failures -= speed.failures / _SMOOTH

    def failed(self, source: str) -> None:
        """Learn that a source gave none, or a wrong one."""
        speed = self.speeds[source]
        speed.failures += (1 - speed.failures) / _SMOOTH

    def cost(self, offer: Offer) -> float:
        """Give the time that an offer takes, ns: its answers one after another, and the budget that it uses up."""
        return self._answers(offer) + offer.weight * self._weight_ns

    def _answers(self, offer: Offer) -> float:
        speed = self.speeds[offer.source]
        return offer.requests * speed.latency / max(1 - speed.failures, _LEAST)

    def choose(self, offers: Sequence[Offer]) -> Choice:
        """Choose among offers for the same hole, of which there is at least one."""
        best, *others = sorted(offers, key=self.cost)
        if not others:
            return Choice(best.source, "the only source that can answer now")
        self._choices += 1
        for offer in offers:
            self.speeds[offer.source].chosen = self.speeds[offer.source].chosen or self._choices
        if self._choices % _LOOK_EVERY == 0:
            avoided = min(others, key=lambda offer: self.speeds[offer.source].chosen)
            self.speeds[avoided.source].chosen = self._choices
            return Choice(avoided.source, "asked now and then, to see whether it is faster again")
        self.speeds[best.source].chosen = self._choices
        return Choice(best.source, self._why(best, others[0]))

    def _why(self, best: Offer, second: Offer) -> str:
        saved = (second.weight - best.weight) * self._weight_ns
        if saved > 0 and saved >= self._answers(second) - self._answers(best):
            return f"{second.weight:,} weight by {second.source}"
        if self.speeds[best.source].failures > 0.5 or self.speeds[second.source].failures > 0.5:
            return f"{second.source} fails more often"
        ours, theirs = (round(self._answers(offer) / MS) for offer in (best, second))
        return f"{ours:,} ms against {theirs:,} ms by {second.source}"
