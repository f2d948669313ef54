"""Signals: rules that judge closed bars, each one pure function of a window."""
