"""Checks what gapless assumes of a machine and of a venue, without a key; one report."""
