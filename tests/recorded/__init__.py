"""Answers of the real service, recorded once, replayed against a live server."""
