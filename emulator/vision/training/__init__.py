"""What classification and detection training share: optimiser, budget, folds, errors."""
