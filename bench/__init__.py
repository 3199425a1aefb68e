"""Benches: each prints its numbers; results with date and machine stand in RESULTS.md."""
