"""The store in a data folder: rows in SQLite (`tables`, `database`, `migrations`) and blobs (`blobs`)."""
