"""What every part of Trainyard shares: the spec, the tables, the jobs, the messages, the storage.

Nothing here imports torch, Flask or the worker, and nothing connects on import.
"""
