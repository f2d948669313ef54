"""How well a minute, a bar or a footprint is proven."""

from enum import IntEnum


class Proof(IntEnum):
    """The proof of a candle, worst first, so that the worst of several is their minimum."""

    MISSING = 0
    PARTIAL = 1
    DISPUTED = 2
    OFFICIAL = 3
    REPAIRED = 4
    PROVEN = 5

    @property
    def text(self) -> str:
        """The word that faces show."""
        return self.name.lower()


class State(IntEnum):
    """What happened in a bar."""

    OPEN = 0
    TRADED = 1
    EMPTY = 2
    MISSING = 3
    SYNTHETIC = 4

    @property
    def text(self) -> str:
        """The word that faces show."""
        return self.name.lower()


class Origin(IntEnum):
    """Whose bar is served: the venue's own or the fold of our trades."""

    TAPE = 0
    VENUE = 1

    @property
    def text(self) -> str:
        """The word that faces show."""
        return self.name.lower()


class Evidence(IntEnum):
    """Why a range of a tape is vouched for, weakest first."""

    ALIVE = 0
    ARCHIVE = 1
    REST = 2
    RECOVERED = 3
    STREAM = 4

    @property
    def text(self) -> str:
        """The word that faces show."""
        return self.name.lower()


def derived(proofs: list[int]) -> Proof:
    """Give the proof of a bar from those of its minutes."""
    if not proofs or max(proofs) == Proof.MISSING:
        return Proof.MISSING
    worst = min(proofs)
    return Proof.PARTIAL if worst <= Proof.PARTIAL else Proof(worst)
