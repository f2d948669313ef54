"""Derives candles, footprints and proofs from a tape, by pure functions."""
