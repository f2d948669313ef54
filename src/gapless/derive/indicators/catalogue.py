"""The indicators by name: read `sma:200`, list what there is."""

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from gapless.derive.indicators.ichimoku import INPUTS as ICHIMOKU_INPUTS
from gapless.derive.indicators.ichimoku import PARAMETERS as ICHIMOKU
from gapless.derive.indicators.ichimoku import ichimoku
from gapless.derive.indicators.indicator import Indicator
from gapless.derive.indicators.library import AVERAGES, GROUPS, defaults_of, function
from gapless.derive.indicators.settling import MOST
from gapless.derive.indicators.vwap import INPUTS as VWAP_INPUTS
from gapless.derive.indicators.vwap import vwap
from gapless.errors import BadInput

USUAL = (
    "sma:200", "ema:50", "rsi:14", "macd:12:26:9", "bbands:20:2:2", "atr:14", "ichimoku", "vwap", "stoch", "cdlhammer",
)  # fmt: skip
ALIASES = {
    "bollinger": "bbands", "boll": "bbands", "bb": "bbands", "stochastic": "stoch", "psar": "sar", "wilder": "rma",
    "heikinashi": "ha", "keltner": "kc", "moneyflow": "mfi", "williams": "willr", "hammer": "cdlhammer",
}  # fmt: skip
_NUMBER = re.compile(r"-?\d{1,9}(\.\d{1,9})?", re.ASCII)
_OWN = {"ichimoku": (ICHIMOKU, ICHIMOKU_INPUTS), "vwap": ({"bars": 0}, VWAP_INPUTS)}


def names() -> list[str]:
    """List every name."""
    return sorted({*(name.lower() for name in GROUPS), *_OWN})


def parse_all(texts: Iterable[str]) -> list[Indicator]:
    """Read indicators, also several in one text with commas between; each counts once."""
    words = [word.strip() for text in texts for word in text.split(",")]
    return list({indicator.text: indicator for indicator in map(parse, words)}.values())


def parse(text: str) -> Indicator:
    """Read `name` or `name:parameter:...`, as in `sma:200`; parameters are in TA-Lib's order, absent ones default."""
    word, *given = text.strip().lower().split(":")
    name = ALIASES.get(word, word)
    written = ":".join([name, *given])
    if name not in names():
        near = get_close_matches(name, [*names(), *ALIASES], 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise BadInput(f"{text!r} is no indicator{hint} (gapless indicators --list has them all)")
    parameters = _filled(written, parameters_of(name), given)
    if name == "ichimoku":
        return ichimoku(written, *map(int, parameters.values()))
    if name == "vwap":
        return vwap(written, int(parameters["bars"]) or None)
    return function(written, name.upper(), parameters)


def parameters_of(name: str) -> dict[str, int | float]:
    """Give the parameters of an indicator with their defaults, in order."""
    return dict(_OWN[name][0]) if name in _OWN else defaults_of(name.upper())


def described(indicator: Indicator) -> dict[str, Any]:
    """Say what an indicator takes and gives, and how many bars it needs for a value: None is all since 00:00 UTC."""
    name = indicator.text.partition(":")[0]
    given = indicator.text.split(":")[1:]
    return {
        "indicator": indicator.text,
        "name": name,
        "group": "Own" if name in _OWN else GROUPS[name.upper()],
        "parameters": _filled(indicator.text, parameters_of(name), given),
        "inputs": list(indicator.inputs),
        "columns": list(indicator.columns),
        "bars": indicator.bars,
        "since": None if indicator.bars else "00:00 UTC",
        "after": indicator.after,
    }


def _filled(text: str, defaults: Mapping[str, int | float], given: Sequence[str]) -> dict[str, int | float]:
    if len(given) > len(defaults):
        takes = ", ".join(f"{name} ({value:g})" for name, value in defaults.items()) or "none"
        raise BadInput(f"{text}: {len(given)} parameters are too many; allowed are {takes}")
    filled = dict(defaults)
    for (name, default), word in zip(defaults.items(), given, strict=False):
        filled[name] = _number(text, name, default, word)
    return filled


def _number(text: str, name: str, default: float, word: str) -> int | float:
    """Read a parameter: a whole number where its default is one, a moving average also by its name."""
    whole = isinstance(default, int)
    if name.endswith("matype"):
        if word.isdecimal() and int(word) in AVERAGES.values():
            return int(word)
        if word not in AVERAGES:
            raise BadInput(f"{text}: {name} {word!r} is not allowed; allowed are {', '.join(AVERAGES)}")
        return AVERAGES[word]
    match = _NUMBER.fullmatch(word)
    if match is None or (whole and match[1]):
        kind = "a whole number" if whole else "a number"
        raise BadInput(f"{text}: {name} {word!r} is not allowed; allowed is {kind} such as {default:g}")
    if whole and text.partition(":")[0] in _OWN and not (least := min(1, int(default))) <= int(word) <= MOST:
        raise BadInput(f"{text}: {name} {word} is not allowed; allowed are {least} to {MOST}")
    return int(word) if whole else float(word)
