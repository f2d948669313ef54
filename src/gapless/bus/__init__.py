"""Carries events to whoever listens."""
