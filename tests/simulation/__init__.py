"""A simulation of the queue: the real `core/jobs`, with simulated workers, clocks and faults.

One seed is one schedule: a list of actions by people, workers and the passing of time, some of
which meet a database that fails. The same seed does the same again.
"""
