"""Projects: creating, listing, changing and deleting them, and the reset of the whole emulator."""
