"""Files that clients fetch: images by signed URI, artifacts by path."""
