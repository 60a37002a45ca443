"""Fetching images from URLs that clients name, and which URLs may be fetched."""
