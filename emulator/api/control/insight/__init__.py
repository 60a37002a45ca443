"""What models get wrong, and why: evaluation, comparison, hints, maps."""
