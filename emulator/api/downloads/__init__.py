"""Routes of files fetched by signed URI, without a key."""
