"""Detection of anomalies: models trained on images of good parts alone."""
