"""What language models are given of a server: a few tools with small answers."""
