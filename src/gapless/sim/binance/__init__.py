"""The simulated Binance: USD-M futures and spot, one folder with two tables of limits.

Where the venue's own words are missing or contradict each other, this is what is simulated:

- Unrouted USD-M paths behave as `/public`; what a route does not deliver is acknowledged and silent.
- 10 (spot 5) incoming messages in any rolling second, pings and pongs included; one more closes with 1008.
- A 429 of USD-M carries no Retry-After unless a fault gives it one; spot's does. A 418 does unless told not to.
- `banned until` and the Date header are in the venue's own clock, which is market time; the seconds until then are
  real.
- A minute without trades is served and closed flat at the former price, `f` and `L` -1; while it forms nothing is
  pushed.
- Closed bars are pushed 300 ms after their end, before any frame of the bar that follows.
- aggTrades by time begin at the start of the window; the one-hour span is not enforced (`one_hour_span` switches it
  on).
- Ids spent without a trade come as `@trade` events of price and quantity 0, `X` "NA"; REST leaves them out.
- A recorded diff stream is also played under the other speeds of its name, because its chain of ids is what matters.
- Connections end with 1001; only spot announces it.
- A delisted symbol is sent what was forming and the close of the minute in which it ended; later bars do not exist.
- A client that does not read is cut when more than `buffer_bytes` have piled up for it.
"""
