"""What a model gets wrong: confusion matrix, curves, near-duplicates."""
