"""Export and import of whole projects by token."""
