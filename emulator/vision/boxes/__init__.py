"""Box geometry."""
