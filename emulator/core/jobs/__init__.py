"""Long work as rows of the store, and the threads that run it."""
