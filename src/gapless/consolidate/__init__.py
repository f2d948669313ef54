"""One market of several sources: who is healthy, who is active, what the price is. Pure."""
