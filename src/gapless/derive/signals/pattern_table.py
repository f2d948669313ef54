"""The candlestick patterns that TA-Lib knows: its name of each, how many bars it has, and where it means something."""

from typing import Literal, NamedTuple

Place = Literal["reversal", "continuation", "extreme"]


class Pattern(NamedTuple):
    """`function` is TA-Lib's. `place` says which context makes it a signal.

    A reversal for a rise lies at the lowest price of the bars before it, a continuation at the highest; for a fall it
    is the other way round. Of an `extreme` TA-Lib's sign says nothing about rise or fall: it lies at either.
    """

    function: str
    bars: int
    place: Place = "reversal"


PATTERNS = {
    "abandoned_baby": Pattern("CDLABANDONEDBABY", 3),
    "advance_block": Pattern("CDLADVANCEBLOCK", 3),
    "belt_hold": Pattern("CDLBELTHOLD", 1),
    "breakaway": Pattern("CDLBREAKAWAY", 5),
    "closing_marubozu": Pattern("CDLCLOSINGMARUBOZU", 1, "continuation"),
    "concealing_baby_swallow": Pattern("CDLCONCEALBABYSWALL", 4),
    "counterattack": Pattern("CDLCOUNTERATTACK", 2),
    "dark_cloud_cover": Pattern("CDLDARKCLOUDCOVER", 2),
    "doji": Pattern("CDLDOJI", 1, "extreme"),
    "doji_star": Pattern("CDLDOJISTAR", 2),
    "dragonfly_doji": Pattern("CDLDRAGONFLYDOJI", 1, "extreme"),
    "engulfing": Pattern("CDLENGULFING", 2),
    "evening_doji_star": Pattern("CDLEVENINGDOJISTAR", 3),
    "evening_star": Pattern("CDLEVENINGSTAR", 3),
    "gap_side_by_side_white": Pattern("CDLGAPSIDESIDEWHITE", 3, "continuation"),
    "gravestone_doji": Pattern("CDLGRAVESTONEDOJI", 1, "extreme"),
    "hammer": Pattern("CDLHAMMER", 1),
    "hanging_man": Pattern("CDLHANGINGMAN", 1),
    "harami": Pattern("CDLHARAMI", 2),
    "harami_cross": Pattern("CDLHARAMICROSS", 2),
    "high_wave": Pattern("CDLHIGHWAVE", 1, "extreme"),
    "hikkake": Pattern("CDLHIKKAKE", 3),
    "homing_pigeon": Pattern("CDLHOMINGPIGEON", 2),
    "identical_three_crows": Pattern("CDLIDENTICAL3CROWS", 3),
    "in_neck": Pattern("CDLINNECK", 2, "continuation"),
    "inverted_hammer": Pattern("CDLINVERTEDHAMMER", 1),
    "kicking": Pattern("CDLKICKING", 2),
    "kicking_by_length": Pattern("CDLKICKINGBYLENGTH", 2),
    "ladder_bottom": Pattern("CDLLADDERBOTTOM", 5),
    "long_legged_doji": Pattern("CDLLONGLEGGEDDOJI", 1, "extreme"),
    "long_line": Pattern("CDLLONGLINE", 1, "continuation"),
    "marubozu": Pattern("CDLMARUBOZU", 1, "continuation"),
    "mat_hold": Pattern("CDLMATHOLD", 5, "continuation"),
    "matching_low": Pattern("CDLMATCHINGLOW", 2),
    "modified_hikkake": Pattern("CDLHIKKAKEMOD", 4),
    "morning_doji_star": Pattern("CDLMORNINGDOJISTAR", 3),
    "morning_star": Pattern("CDLMORNINGSTAR", 3),
    "on_neck": Pattern("CDLONNECK", 2, "continuation"),
    "piercing": Pattern("CDLPIERCING", 2),
    "rickshaw_man": Pattern("CDLRICKSHAWMAN", 1, "extreme"),
    "rise_fall_three_methods": Pattern("CDLRISEFALL3METHODS", 5, "continuation"),
    "separating_lines": Pattern("CDLSEPARATINGLINES", 2, "continuation"),
    "shooting_star": Pattern("CDLSHOOTINGSTAR", 1),
    "short_line": Pattern("CDLSHORTLINE", 1, "extreme"),
    "spinning_top": Pattern("CDLSPINNINGTOP", 1, "extreme"),
    "stalled_pattern": Pattern("CDLSTALLEDPATTERN", 3),
    "stick_sandwich": Pattern("CDLSTICKSANDWICH", 3),
    "takuri": Pattern("CDLTAKURI", 1, "extreme"),
    "tasuki_gap": Pattern("CDLTASUKIGAP", 3, "continuation"),
    "three_black_crows": Pattern("CDL3BLACKCROWS", 3),
    "three_inside": Pattern("CDL3INSIDE", 3),
    "three_line_strike": Pattern("CDL3LINESTRIKE", 4, "continuation"),
    "three_outside": Pattern("CDL3OUTSIDE", 3),
    "three_stars_in_the_south": Pattern("CDL3STARSINSOUTH", 3),
    "three_white_soldiers": Pattern("CDL3WHITESOLDIERS", 3),
    "thrusting": Pattern("CDLTHRUSTING", 2, "continuation"),
    "tristar": Pattern("CDLTRISTAR", 3),
    "two_crows": Pattern("CDL2CROWS", 3),
    "unique_three_river": Pattern("CDLUNIQUE3RIVER", 3),
    "upside_gap_two_crows": Pattern("CDLUPSIDEGAP2CROWS", 3),
    "xside_gap_three_methods": Pattern("CDLXSIDEGAP3METHODS", 3, "continuation"),
}
