"""Backups: copies of a whole data folder on another disk, each complete and checkable by itself."""
