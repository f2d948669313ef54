"""What a row is, and what is said of it when it was played."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

if TYPE_CHECKING:
    from attack.stage import Stage

Fault = dict[str, Any]


class Row(Struct, frozen=True, kw_only=True):
    """One attack: the market, the script of the simulator, and what is done to the processes meanwhile.

    `kinds` are faults that must have struck, else the row proves nothing. `permanent` says that a hole is expected that
    no source can fill. `short` rows belong to the short form, `long` ones to the long form.
    """

    name: str
    about: str
    play: Callable[["Stage"], None]
    venue: str = "binance"
    instruments: int = 3
    speed: float = 20.0
    faults: str | tuple[Fault, ...] = "none"
    limits: dict[str, Any] = field(default_factory=dict)
    sets: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    permanent: bool = False
    rss_mb: float = 600.0  # the bound on memory
    short: bool = False
    long: bool = True
    seeds: int = 3  # how many the long form plays


class Figures(Struct, kw_only=True):
    """What a row came to; times are seconds, `longest_hole_s` is market time."""

    row: str
    seed: int
    sent: int = 0
    held: int = 0
    missing: int = 0
    doubled: int = 0
    altered: int = 0
    permanent: int = 0
    gaps_open: int = 0
    longest_hole_ids: int = 0
    longest_hole_s: float = 0.0
    repairs: int = 0
    repair_median_s: float = 0.0
    repair_max_s: float = 0.0
    settled_s: float = 0.0
    requests: int = 0
    bans: int = 0
    bans_caused: int = 0
    while_banned: int = 0
    throttled: int = 0  # requests refused as too many that no fault has struck
    hung_up: int = 0  # connections refused as too many, or ended because of too many messages
    rss_mb: float = 0.0
    faults: dict[str, int] = field(default_factory=dict)
    took_s: float = 0.0
    notes: list[str] = field(default_factory=list)
    shortfalls: list[str] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether nothing falls short."""
        return not self.shortfalls
