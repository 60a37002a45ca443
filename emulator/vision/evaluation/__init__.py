"""Performance figures from out-of-fold predictions: metrics, curves, confusion."""
