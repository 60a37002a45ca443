"""Domains, and the hyperparameters that each domain trains with."""
