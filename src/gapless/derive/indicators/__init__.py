"""Indicators: columns of a candle query, each a pure function of the bars that end at a bar."""
