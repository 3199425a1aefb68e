"""Live streams: what is new since what a viewer has seen, as server-sent events.

The database is the source. An event's id is a position in a run's stream, or in the history of all
runs; after a lost connection the browser sends it back and the stream continues from there. A
wake-up only makes the hub look sooner.

One hub a process looks at the database, once a change however many watch, and keeps the bytes of
the latest changes (a channel). A viewer is a place in some channels: a coroutine, never a thread.
"""
