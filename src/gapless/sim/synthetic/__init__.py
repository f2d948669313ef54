"""Markets that are pure functions of (seed, instrument, time)."""
