"""How long the stages take that a message goes through and those that mend a connection, counted by duration."""

from bisect import bisect_left

from msgspec import Struct, field

from gapless.model import MS, SECOND

# Upper borders, ns: from 10 microseconds to half a minute.
BORDERS = (
    MS // 100, MS // 50, MS // 20, MS // 10, MS // 5, MS // 2, MS, 2 * MS, 5 * MS, 10 * MS, 20 * MS, 50 * MS,
    SECOND // 10, SECOND // 5, SECOND // 2, SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 30 * SECOND,
)  # fmt: skip


class Stage(Struct):
    """Durations of one stage: how many there are up to each border, the last beyond all of them; their sum, ns."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BORDERS) + 1))
    total: int = 0

    def took(self, ns: int) -> None:
        """Count one."""
        self.counts[bisect_left(BORDERS, ns)] += 1
        self.total += ns


class Stages(Struct):
    """The stages of one venue.

    `connect` is from the attempt to the open socket, `resubscribe` from there until all streams are acknowledged,
    `reconnect` from a break to the next data, `disconnect` from the last word of a connection to the notice that it
    broke, `silence` that of a stream to the notice that it is silent. Of one wake-up in 32: `parse` is from frames
    to what they say, `normalise` from there to values, `emit` from the arrival until everything was published.
    """

    connect: Stage = field(default_factory=Stage)
    resubscribe: Stage = field(default_factory=Stage)
    reconnect: Stage = field(default_factory=Stage)
    disconnect: Stage = field(default_factory=Stage)
    silence: Stage = field(default_factory=Stage)
    parse: Stage = field(default_factory=Stage)
    normalise: Stage = field(default_factory=Stage)
    emit: Stage = field(default_factory=Stage)

    def of_batch(self, parsed: int, read: int, emitted: int) -> None:
        """Count the stages of one wake-up, ns; the last is by the wall clock, which may be set back."""
        self.parse.took(parsed)
        self.normalise.took(read)
        self.emit.took(max(emitted, 0))
