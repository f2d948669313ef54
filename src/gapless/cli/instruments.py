"""`gapless instruments`: what the store holds."""

from gapless.cli.options import Format, InEnvironment, Output, Store, environment


def instruments(store: Store = None, format: Format = "table", output: Output = None, env: InEnvironment = None) -> int:
    """List the instruments of the store."""
    from gapless.adapters import open_store
    from gapless.cli.output import write_rows
    from gapless.query.present import INSTRUMENT_COLUMNS, instrument_rows

    rows = instrument_rows(open_store(store, environment=environment(env), readonly=True).instruments())
    write_rows(INSTRUMENT_COLUMNS, rows, form=format, output=output)
    return 0
