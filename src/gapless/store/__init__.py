"""Keeps rows and ledger together."""
