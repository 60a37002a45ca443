"""The last requests, in memory, and counts of the operations that programs used."""
