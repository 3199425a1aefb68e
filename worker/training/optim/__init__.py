"""What is minimized and how: losses, optimizers, learning-rate schedules."""
