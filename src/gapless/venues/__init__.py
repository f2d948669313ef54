"""What each exchange says and allows: pure data and pure functions, one folder each."""
