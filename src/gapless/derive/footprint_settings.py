"""The thresholds of footprints. Shares and ratios are whole per cent, so that every comparison is exact."""

from msgspec import Struct


class FootprintSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every threshold of a footprint."""

    rows_per_bar: int = 40  # automatic ticks_per_row: a typical bar has at most so many rows
    typical_bars: int = 50  # and is the median of so many newest ranges
    most_rows: int = 100_000  # a footprint that would have more is refused
    value_area_percent: int = 70
    single_step_rows: int = 20  # a single bar of at most so many rows grows its value area by one row
    imbalance_percent: int = 300
    imbalance_zero_opposite: bool = True  # a zero opposite side qualifies
    stacked_rows: int = 3
    high_node_percent: int = 130
    low_node_percent: int = 50
    absorption_rows: int = 3
    absorption_percent: int = 200
    absorption_return_percent: int = 25
    exhaustion_rows: int = 3
    exhaustion_percent: int = 20
    divergence_bars: int = 10


DEFAULTS = FootprintSettings()
