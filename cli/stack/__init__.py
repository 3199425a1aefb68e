"""The embedded stack: broker, web and worker on this machine."""
