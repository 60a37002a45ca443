"""What tests set in place of the usual behavior: predictions, the trainer, roles."""
