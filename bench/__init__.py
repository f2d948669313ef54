"""Benchmarks: every figure beside a named alternative, in one run."""
