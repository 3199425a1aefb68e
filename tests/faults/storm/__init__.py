"""A storm of faults: its stack, what is done to it, and what is found afterwards."""
