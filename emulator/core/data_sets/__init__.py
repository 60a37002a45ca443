"""Importing labeled data sets of other tools into projects, and exporting projects as such data sets."""
