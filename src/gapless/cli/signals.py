"""`gapless signals`: the rules and what they are judged by."""

from typing import TYPE_CHECKING, Annotated

import typer

from gapless.cli.options import AsJson, Sets
from gapless.errors import BadInput

if TYPE_CHECKING:
    from gapless.derive.signals.listing import Judging


def signals(
    show_rules: Annotated[
        bool, typer.Option("--list", help="List the rules: timeframes, inputs, warm-up, thresholds in force.")
    ] = False,
    sets: Sets = None,
    as_json: AsJson = False,
) -> int:
    """List the rules of signals with what each looks at, how many bars it needs, and its thresholds in force."""
    import msgspec

    from gapless.cli.output import write_rows
    from gapless.config import load
    from gapless.derive.signals import RULES
    from gapless.derive.signals.listing import listed
    from gapless.venues.registry import VENUES

    if not show_rules:
        raise BadInput("signals needs --list")
    rules = listed(RULES, load(sets=sets or (), venues=VENUES).signals)
    if as_json:
        print(msgspec.json.encode({"rules": rules}).decode())
        return 0
    rows = [
        {
            "kind": rule.kind,
            "timeframes": spanned(judging.timeframes),
            "warm_up": judging.warm_up,
            "inputs": rule.inputs,
        }
        for rule in rules
        for judging in rule.judged
    ]
    write_rows(("kind", "timeframes", "warm_up", "inputs"), rows, form="table", output=None)
    for name, summary in dict.fromkeys((rule.rule, rule.summary) for rule in rules):
        print(f"\n{name}: {summary}")
        judged = [judging for rule in rules if rule.rule == name for judging in rule.judged]
        for line in dict.fromkeys(map(_in_force, judged)) or ["judged nowhere"]:
            print(f"  {line}")
    return 0


def _in_force(judging: "Judging") -> str:
    numbers = (f"{name}={value}" for name, value in judging.thresholds.items())
    return f"{spanned(judging.timeframes)}: {' '.join(numbers)}"


def spanned(timeframes: list[str]) -> str:
    """Write timeframes with a run of minutes as one: `1m-60m, 240m`."""
    runs: list[list[str]] = []
    for text in timeframes:
        before = runs[-1][-1] if runs else ""
        if before.endswith("m") and text == f"{int(before[:-1]) + 1}m":
            runs[-1].append(text)
        else:
            runs.append([text])
    return ", ".join(run[0] if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
