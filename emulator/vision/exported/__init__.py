"""Exported models loaded again: files, preprocessing, runtimes."""
