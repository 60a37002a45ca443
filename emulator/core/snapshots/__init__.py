"""Snapshots: copies of everything that is stored, which can be restored at any time."""
