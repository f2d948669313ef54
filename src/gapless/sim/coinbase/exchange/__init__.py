"""The simulated Coinbase Exchange."""
