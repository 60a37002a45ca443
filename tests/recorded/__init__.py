"""Recorded responses of the real service, compared with those of a live server."""
