"""Suggested tags and regions, and region proposals."""
