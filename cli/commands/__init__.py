"""The commands, a file a topic. Each is thin: it asks the API, or starts another program."""
