"""One answer for all faces."""
