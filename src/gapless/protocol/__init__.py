"""Connection logic without I/O: subscriptions, heartbeats, silence."""
