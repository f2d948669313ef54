"""Several venues' sources as one market: who is healthy, who is active, whose minute it is, what the price is. Pure."""
