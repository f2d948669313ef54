"""The demonstration: simulator, service and comparer as three processes over real sockets."""
