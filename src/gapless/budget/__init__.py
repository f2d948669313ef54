"""What it costs to know more, and what a venue allows."""
