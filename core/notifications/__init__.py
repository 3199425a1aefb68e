"""Tells people, and programs of theirs, what became of their runs: by webhook, mail or browser."""
