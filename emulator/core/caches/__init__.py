"""Data in memory that can always be rebuilt from the store."""
