"""A simulated day of real processes: uptime, memory, handles, lag, and at the end whether everything is held."""
