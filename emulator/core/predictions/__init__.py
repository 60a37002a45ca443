"""Predictions: published models, quick tests, stored predictions."""
