"""The terminal: `trainyard`. It talks to the API, and starts the other programs as processes."""
