"""Redis: notifying workers of queued jobs, and watchers of changes."""
