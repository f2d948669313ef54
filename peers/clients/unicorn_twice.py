"""unicorn-binance-websocket-api with two identical streams, as its author advises against loss (issue 42 there)."""

from peers.clients.unicorn import run

run(2)
