"""Shared by the training of classifiers and detectors: optimizer, budget, folds, progress, errors."""
