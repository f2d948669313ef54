"""The order of a tape, and the ledger of what is wanted and held of it."""
