"""Routes of the Training API, one file for each operation group of the official reference."""
