"""Training and scoring of object detectors."""
