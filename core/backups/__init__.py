"""Copies of a whole installation: its rows and its blobs, made while it runs, restored elsewhere.

A backup is a folder. The rows lie there in a form that either database reads, so a restore is also
the way from SQLite to PostgreSQL; the blobs lie there as in a store, each once.
"""

from core.backups.making import Made, make
from core.backups.restoring import Restored, restore

__all__ = ["Made", "Restored", "make", "restore"]
