"""Networks, and the moving average of their weights."""
