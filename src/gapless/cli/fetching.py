"""`--fetch` of commands that answer: what is missing is fetched first."""

import sys
from typing import Any


def fetched(asked: bool, text: str, timeframe: Any, **question: Any) -> dict[str, Any]:
    """Fetch what a question misses, and say in a sentence why something is missing still; {} where not asked to."""
    if not asked:
        return {}
    import asyncio

    from msgspec.structs import asdict

    from gapless.backfilling import fetch_missing

    try:
        told = asyncio.run(fetch_missing(text, timeframe, **question))
    except KeyboardInterrupt:
        print("stopped; what came is kept, and the same command goes on from there", file=sys.stderr)
        raise
    if told.reason:
        print(f"gapless: {told.reason}", file=sys.stderr)
    return {"fetch": asdict(told)}
