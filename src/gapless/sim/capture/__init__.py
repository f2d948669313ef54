"""Markets that were recorded: reading captures and playing them."""
