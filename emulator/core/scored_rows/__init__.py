"""Rows with scores (stored predictions, suggestions): their index entries, pages and continuation tokens."""
