"""What is kept in memory and can always be rebuilt from the store."""
