"""Tiles of large images, and their scores."""
