"""`gapless trades`: the tape itself."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gapless.cli.options import (
    AsOf,
    End,
    Epoch,
    Format,
    InEnvironment,
    Output,
    Start,
    Store,
    moment,
    one_of,
    opened,
    ordered,
)

if TYPE_CHECKING:
    from gapless.query.market import Market


def trades(
    instrument: Annotated[str, typer.Argument(help="An id such as binance:BTCUSDT, or any usual spelling.")],
    start: Start = None,
    end: End = None,
    received: Annotated[bool, typer.Option("--received", help="Add when each trade was first known.")] = False,
    consolidated: Annotated[
        bool, typer.Option("--consolidated", help="The tape of several venues (BTC/USDT); trades name their source.")
    ] = False,
    as_of: AsOf = None,
    store: Store = None,
    format: Format = "table",
    epoch: Epoch = None,
    output: Output = None,
    env: InEnvironment = None,
) -> int:
    """Print the trades of the primary tape, by id (exit status 1 when ids between them are not held)."""
    from gapless.cli.output import write_rows
    from gapless.errors import BadInput
    from gapless.query.present import TRADE_COLUMNS, listing, trade_rows

    one_of(epoch, "--epoch", ("ms", "us", "ns"))
    begin, until = moment(start, "--start"), moment(end, "--end")
    ordered(begin, until)
    market = opened(store, env, as_of)
    if consolidated:
        if received:
            raise BadInput("--consolidated goes without --received")
        return _consolidated(market, instrument, begin, until, format, epoch, output)
    answer = market.trades(market.instrument(instrument), start=begin, end=until)
    columns = (*TRADE_COLUMNS, "received") if received else TRADE_COLUMNS
    write_rows(
        columns,
        trade_rows(answer, epoch=epoch, received=received),
        form=format,
        output=output,
        wrap=lambda rows: listing(answer, rows, epoch=epoch),
        decimals={"price": answer.price_digits, "size": answer.size_digits},
    )
    return 1 if answer.missing else 0


def _consolidated(
    market: "Market", text: str, begin: int | None, until: int | None, form: str, epoch: str | None,
    output: Path | None,
) -> int:  # fmt: skip
    from gapless.cli.output import write_rows
    from gapless.query.consolidated import consolidated, trades_listing
    from gapless.query.present import TRADE_COLUMNS

    whole = consolidated(market, text)
    listed = trades_listing(whole.trades(start=begin, end=until), epoch=epoch)
    write_rows(
        ("source", *TRADE_COLUMNS), listed["rows"], form=form, output=output,
        wrap=lambda rows: {**listed, "rows": list(rows)}, decimals={"price": whole.digits[0], "size": whole.digits[1]},
    )  # fmt: skip
    return 1 if listed["missing"] else 0
