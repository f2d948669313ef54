"""The venue's time, as its events tell it."""

from gapless.model import MINUTE, SECOND

QUIET = 20 * SECOND  # streams that are silent for so long tell no time
_NEAR = 5 * MINUTE  # an answer this near to the last event is believed at once
_AGREE = 20  # so many events in a row must be far ahead before they are believed
_BEYOND = 2 * SECOND  # how far beyond the last event the venue's clock is believed to have run


class VenueClock:
    """Events of streams tell the time; what REST answers counts while they are silent, or where it is near to theirs.

    One wrong answer about the time would make bars of the future wanted, and every age and window wrong.
    """

    def __init__(self) -> None:
        self._time = 0
        self._mono = 0
        self._told = 0
        self._told_mono = 0
        self._asked = 0
        self._far = 0
        self._first = 0
        self.is_sure = False

    def saw(self, time: int, mono: int) -> None:
        """Learn the time of an event, ns UTC, at a monotonic ns of ours."""
        if time > self._time:
            self._time, self._mono = time, mono

    def heard(self, time: int, mono: int) -> None:
        """Learn the time of an event that may be wrong: one far ahead of all others is not believed."""
        near = self._told and abs(time - self._told - (mono - self._told_mono)) <= _NEAR
        if self._time and time > self._time + _NEAR and self._far < _AGREE and not near:
            self._far += 1
        else:
            self._far = 0
            self._first = self._first or mono
            self.is_sure = self.is_sure or near or mono - self._first > QUIET
            self.saw(time, mono)

    def told(self, time: int, mono: int) -> None:
        """Learn what the venue answered about its time, ns UTC."""
        self._told, self._told_mono = time, mono

    def asked(self, mono: int) -> None:
        """Learn that the venue was asked for its time, whatever it said."""
        self._asked = mono

    def now(self, mono: int) -> int:
        """Give the venue's time, ns UTC; 0 while nothing is known."""
        time, since = self._time, self._mono
        near = 0 <= self._told - time <= _NEAR
        if self._told_mono > since and (near or not time or mono - since > QUIET):
            time, since = max(self._told, time), self._told_mono
        return time + min(max(mono - since, 0), _BEYOND) if time else 0

    @property
    def silent_since(self) -> int:
        """The monotonic ns of the last event, or of the last question for the time."""
        return max(self._mono, self._asked)
