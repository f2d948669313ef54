"""`gapless signals`: what was found, and the rules that judge."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gapless.cli.options import (
    AsJson,
    AsOf,
    End,
    Epoch,
    Format,
    InEnvironment,
    Output,
    Sets,
    Start,
    Store,
    moment,
    one_of,
    opened,
    ordered,
)
from gapless.errors import BadInput

if TYPE_CHECKING:
    from gapless.derive.signals.listing import Judging
    from gapless.query.answer import SignalAnswer
    from gapless.query.market import Market


def signals(
    instruments: Annotated[
        list[str] | None, typer.Argument(help="Ids such as binance:BTCUSDT, or any usual spelling; all without one.")
    ] = None,
    timeframes: Annotated[
        list[str] | None, typer.Option("--timeframe", help="Of bars of it; may be repeated.", metavar="TIMEFRAME")
    ] = None,
    kinds: Annotated[
        list[str] | None,
        typer.Option("--kind", help="reversal, volume_spike, pattern or pattern.hammer; may be repeated."),
    ] = None,
    sides: Annotated[list[str] | None, typer.Option("--side", help="buy or sell.")] = None,
    states: Annotated[
        list[str] | None,
        typer.Option("--state", help="found, confirmed, withdrawn or all. Default: what has not been withdrawn."),
    ] = None,
    min_score: Annotated[float | None, typer.Option("--min-score", help="1 to 10; what is valid has one.")] = None,
    min_proof: Annotated[str | None, typer.Option("--min-proof", help="The least proof of the judged bar.")] = None,
    last: Annotated[int | None, typer.Option("--last", min=1, help="The last N. Default: 20 without a range.")] = None,
    start: Start = None,
    end: End = None,
    show_rules: Annotated[
        bool, typer.Option("--list", help="List the rules: timeframes, inputs, warm-up, thresholds in force.")
    ] = False,
    sets: Sets = None,
    as_json: AsJson = False,
    as_of: AsOf = None,
    store: Store = None,
    format: Format = "table",
    epoch: Epoch = None,
    output: Output = None,
    env: InEnvironment = None,
) -> int:
    """Print signals that are stored, newest last, or with --list the rules that judge closed bars.

    Each is shown as its newest judgement; --start and --end are of the times that bars closed.
    """
    if show_rules:
        return _list_rules(sets, as_json=as_json)
    if sets:
        raise BadInput("--set goes with --list: what is stored was judged by the settings of its time")
    from gapless.query import signals as query

    one_of(epoch, "--epoch", ("ms", "us", "ns"))
    if last and (start or end):
        raise BadInput("--last goes alone; a range is --start and --end")
    begin, until = moment(start, "--start"), moment(end, "--end")
    ordered(begin, until)
    asked = query.which(
        timeframes=timeframes or (), kinds=kinds or (), sides=sides or (), states=states or (), min_score=min_score,
        min_proof=min_proof,
    )  # fmt: skip
    market = opened(store, env, as_of)
    asked = query.named(market, asked, instruments or ())
    answer = query.signals(market, asked, start=begin, end=until, last=last)
    _write(answer, market, form="json" if as_json else format, output=output, epoch=epoch)
    return 0


def _write(answer: "SignalAnswer", market: "Market", *, form: str, output: Path | None, epoch: str | None) -> None:
    from gapless.cli.output import write_rows
    from gapless.query import signals as query
    from gapless.query.present import SIGNAL_COLUMNS

    rows = {"table": query.table_rows, "json": query.signal_rows}.get(form, query.flat_rows)
    digits = {one.id: one.price_digits for one in market.reader.instruments()}
    write_rows(
        query.TABLE_COLUMNS if form == "table" else SIGNAL_COLUMNS,
        rows(answer, epoch=epoch),
        form=form,
        output=output,
        wrap=lambda shown: query.signal_listing(answer, shown),
        decimals={"price": max((digits[judged.instrument] for judged in answer.rows), default=0)},
        floats=("score",),
    )


def _list_rules(sets: list[str] | None, *, as_json: bool) -> int:
    import msgspec

    from gapless.cli.output import write_rows
    from gapless.config import load
    from gapless.derive.signals import RULES
    from gapless.derive.signals.listing import listed
    from gapless.venues.registry import VENUES

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
