"""Decoding, checking and scaling of images."""
