"""Real sockets: WebSocket and REST."""
