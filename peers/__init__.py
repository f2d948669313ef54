"""The same attack on other collectors: clients of the field against the same simulator, judged by the same truth."""
