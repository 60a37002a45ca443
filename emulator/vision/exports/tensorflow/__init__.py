"""Export to TensorFlow."""
