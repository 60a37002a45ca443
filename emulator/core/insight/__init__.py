"""Insight into the errors of a model: confusion matrix, curves, near-duplicate images."""
