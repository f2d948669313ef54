"""Simulated venues: the real protocols on loopback, an independent second implementation that keeps the first honest.

Nothing here imports the collector's side (`venues`, `protocol`, `collect`, `net`): what a venue does is written twice.
"""
