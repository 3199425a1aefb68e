"""What a worker and its trainers say to each other: orders one way, reports the other."""
