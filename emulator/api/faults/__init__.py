"""Faults that a client's tests request: scenarios, and the middleware that makes calls fail accordingly."""
