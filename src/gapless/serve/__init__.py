"""The HTTP API, the resumable stream and the metrics."""
