"""What a worker does beside its slots."""
