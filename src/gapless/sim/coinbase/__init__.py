"""The simulated Coinbase: Exchange and Advanced Trade, two surfaces of one market, alike in products, prices and ids.

Where the venue's own words are missing or contradict each other, this is what is simulated:

- What shares a millisecond of the market shares its microsecond, and the taker's order id.
- Heartbeats come once in a real second, also before and after play, stamped with market time. Batches (50 ms, 250 ms,
  5 s) are market time.
- Of every taker one ticker is sent, that of his last execution; the first ticker of a subscription waits until the day
  is known. Volumes of 30 days are so many of the last day as the market is old, extremes of a year those of the day.
- The Exchange acknowledges, then sends first frames; Advanced Trade sends snapshots, then the whole set.
- Advanced Trade sends trades newest first, also within a batch; those of several products share a frame as an event
  each, and a joiner may be sent again what its snapshot held.
- Exchange /trades: a limit above 1000 is 1000, `before` gives the newest page unless `before = "adjacent"`. /candles:
  `start` to `end` inclusive, so 301 rows are the most; the default is the newest 300.
- Advanced /ticker: windows are whole seconds, both inclusive; a page is capped at `page` without a word (a probe of
  2026-09 saw 100); the REST book has 1000 levels a side.
- `-USDC` products are listed and mean the dollar's book: REST names them as asked, the stream as what they mean.
- A token that is given must be good, also where none is needed: of the key `--api-key`, for two minutes at most, by the
  wall clock. A bad one is answered `authentication failure` and hung up on.
- Messages are counted an address: one too many is told and hung up on with 1008, so is who subscribes nothing within
  5 s. A client that does not read is cut when more than `buffer_bytes` have piled up for it.
- Neither auctions nor requests for quotes take place: acknowledged, and silent.
"""
