"""Export to TensorFlow Lite."""
