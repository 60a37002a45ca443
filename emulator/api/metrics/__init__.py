"""Metrics for Prometheus, with ``--metrics``."""
