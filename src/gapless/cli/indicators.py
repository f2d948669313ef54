"""`gapless indicators`: what a candle query can add as columns, and how many bars each needs."""

from typing import Annotated, Any

import typer

from gapless.cli.options import AsJson

_LINE = "{:<20}{:>16}  {:<24}{:<40} {}"


def indicators(
    asked: Annotated[
        list[str] | None, typer.Argument(help="Indicators such as sma:200 ichimoku.", metavar="[INDICATOR ...]")
    ] = None,
    everything: Annotated[bool, typer.Option("--list", help="The usual ones, then all at their defaults.")] = False,
    json: AsJson = False,
) -> int:
    """Say what indicators take, give, and how many bars they need for a value at the last one."""
    import msgspec

    from gapless.derive.indicators.catalogue import USUAL, described, names, parse_all
    from gapless.errors import BadInput

    if bool(asked) == everything:
        raise BadInput("name indicators, as in gapless indicators sma:200 ichimoku, or ask for --list")
    rows = [described(indicator) for indicator in parse_all(asked or [*USUAL, *names()])]
    if json:
        print(msgspec.json.encode({"rows": rows}).decode())
        return 0
    print(_LINE.format("indicator", "bars needed", "inputs", "parameters", "columns"))
    for row in rows:
        print(_line(row))
    return 0


def _line(found: dict[str, Any]) -> str:
    """Write an indicator for people."""
    parameters = " ".join(f"{name}={value:g}" for name, value in found["parameters"].items())
    bars = found["bars"] or f"since {found['since']}"
    return _LINE.format(
        found["indicator"], bars, " ".join(found["inputs"]), parameters or "-", " ".join(found["columns"])
    )
