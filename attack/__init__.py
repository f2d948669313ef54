"""The attack: every fault of the simulated venues, and what people and machines do to a collector, and what it held.

Each row is played with real processes over real sockets: a simulated venue, `gapless run`, and the comparer.
"""
