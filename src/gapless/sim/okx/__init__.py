"""The simulated OKX: spot, perpetual swaps and futures in one venue.

Where the venue's own words are missing or contradict each other, this is what is simulated:

- A channel of the other path is refused with 64001 (it moved to /business) or 64002, one that nobody knows or of an
  instrument that does not exist with 60018, one that needs a login with 60011; neither names its `arg`.
- Channels that exist and have nothing to say here (funding rates, mark prices ...) are acknowledged and silent.
- An operation beyond 480 in any rolling hour is refused with 60014; the connection stays.
- Anything that is sent, a pong included, keeps a connection from its end after 30 s (4004).
- A handshake beyond three a second is refused with 429.
- To subscribe once more is acknowledged; `books` then begins anew with a snapshot.
- `seqId` of trades and of books come from one row of numbers, the same on every connection; it grows with time. The
  fault `sequence_reset` is the maintenance after which that row begins anew.
- A forming bar is pushed once a second when it changed; a closed one 300 ms after its end, flat ones too.
- `volCcy` of an inverse contract is what its trades came to, each at its own price, with 8 decimals (of tickers: at the
  day's average price); what else is derived from contracts is exact.
- Limits are rolling windows; what is refused does not count in them. HTTP 429 carries no Retry-After.
- A `limit` above the most that is allowed is refused with 51000.
- A notice (64008) ends with close code 1001.
- Bars `2D`, `3D` and `5D` are counted from 1970-01-01.
- A delisted instrument is `suspend`, until it is gone.
"""
