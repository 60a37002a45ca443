"""Requests to the routes of the portal, without a browser."""
