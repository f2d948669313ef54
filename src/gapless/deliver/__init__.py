"""Delivery of signals to receivers of the user's own: webhooks and a command."""
