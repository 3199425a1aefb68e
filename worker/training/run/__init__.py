"""The run: its loop, its steps, and the snapshots that it resumes from."""
