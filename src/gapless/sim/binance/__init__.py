"""The simulated Binance: USD-M futures and spot, one folder with two tables of limits."""
