"""Tests of the labeling page in a browser."""
