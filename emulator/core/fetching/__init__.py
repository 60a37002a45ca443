"""Requests to URLs that clients give: fetching images, sending to storage, and the rules for both."""
