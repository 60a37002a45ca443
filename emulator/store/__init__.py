"""Facts in SQLite (`tables`, `database`, `migrations`) and bytes in a folder (`blobs`)."""
