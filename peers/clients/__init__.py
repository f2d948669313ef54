"""One small driver a client, run by the Python that has them; each writes what its client delivers."""
