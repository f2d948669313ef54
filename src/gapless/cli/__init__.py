"""The command line: one file a command, each thin."""

import sys


def main() -> None:
    """Run the command line; a user's mistake ends with one sentence and status 2, the world's fault with 3."""
    from gapless.cli.app import run

    sys.exit(run(sys.argv[1:]))
