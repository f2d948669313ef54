"""Rows of public/instruments, and of the channel of that name."""

from __future__ import annotations

import json
from decimal import Decimal

from gapless.sim.market import Market, Symbol
from gapless.sim.okx.numbers import text
from gapless.sim.synthetic.hashes import key_of

TYPES = ("SPOT", "SWAP", "FUTURES", "MARGIN", "OPTION", "EVENTS")
MOST = "9999999999"
CODES = 10**9  # instIdCode is a number below this


def kind_of(symbol: Symbol) -> str:
    """Returns the venue's word for the kind of an instrument."""
    return symbol.contract.kind if symbol.contract is not None else "SPOT"


def family_of(symbol: Symbol) -> str:
    """Returns what the venue calls the underlying of a contract."""
    return f"{symbol.base}-{symbol.quote}"


def instrument_row(symbol: Symbol) -> str:
    """Writes the row of an instrument; what does not apply is empty."""
    contract = symbol.contract
    inverse = contract is not None and contract.inverse
    family = family_of(symbol) if contract is not None else ""
    least, most = text(symbol.step, symbol.size.digits), f"{MOST}.0000000000000000"
    row = {
        "alias": "quarter" if contract is not None and contract.expires_ms is not None else "",
        "auctionEndTime": "",
        "baseCcy": symbol.base if contract is None else "",
        "category": "1",
        "ctMult": "1" if contract is not None else "",
        "ctType": "" if contract is None else "inverse" if inverse else "linear",
        "ctVal": f"{Decimal(contract.value).scaleb(-contract.digits):f}" if contract is not None else "",
        "ctValCcy": "" if contract is None else symbol.quote if inverse else symbol.base,
        "contTdSwTime": str(symbol.began_ms) if contract is None else "",
        "expTime": str(contract.expires_ms) if contract is not None and contract.expires_ms is not None else "",
        "futureSettlement": False,
        "instFamily": family,
        "instId": symbol.name,
        "instType": kind_of(symbol),
        "lever": "10" if contract is None else "100",
        "listTime": str(symbol.began_ms),
        "lotSz": least,
        "maxIcebergSz": most,
        "maxLmtAmt": "20000000",
        "maxLmtSz": MOST,
        "maxMktAmt": "1000000" if contract is None else "",
        "maxMktSz": "1000000",
        "maxStopSz": "1000000",
        "maxTriggerSz": most,
        "maxTwapSz": most,
        "minSz": least,
        "optType": "",
        "openType": "call_auction" if contract is None else "",
        "quoteCcy": symbol.quote if contract is None else "",
        "tradeQuoteCcyList": [symbol.quote] if contract is None else [],
        "settleCcy": "" if contract is None else symbol.base if inverse else symbol.quote,
        "state": "live" if symbol.ended_ms is None else "suspend",
        "ruleType": "normal",
        "stk": "",
        "tickSz": text(symbol.tick, symbol.price.digits),
        "uly": family,
        "instIdCode": key_of(symbol.began_ms, *symbol.name.encode()) % CODES,
    }
    return json.dumps(row, separators=(",", ":"))


def changed_rows(market: Market, kind: str, since: int, until: int) -> list[str]:
    """Writes the instruments of a kind that were listed or suspended in [since, until)."""
    return [
        instrument_row(symbol)
        for symbol in market.symbols.values()
        if kind_of(symbol) == kind
        and any(at is not None and since <= at < until for at in (symbol.began_ms, symbol.ended_ms))
    ]
