"""Projects: creating, changing, deleting, and reset of everything."""
