"""Metric samples in columns, many a row, and their summaries at several levels.

A run may report thousands of samples a second for days. They are kept in segments of some hundred
each, and every 64, 1,024 and 16,384 of them as a bucket (minimum, maximum, last, mean), so that a
curve is read at the resolution that it is drawn in, and no extreme is ever lost.
"""
