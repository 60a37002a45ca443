"""Export to Core ML."""
