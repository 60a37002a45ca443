"""Data in and out: data sets, models, exports, pulled projects."""
