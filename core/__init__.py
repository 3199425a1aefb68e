"""What every part of Trainyard shares: the spec, the tables, the queue, the journal, the blobs.

Nothing here imports torch, Flask or the worker, and nothing connects on import.
"""
