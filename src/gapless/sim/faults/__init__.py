"""Faults as a script: what happens, when, and how often."""
