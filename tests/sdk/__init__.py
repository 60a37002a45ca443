"""The official SDKs, unchanged, against a live server."""
