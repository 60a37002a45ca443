"""Long work as rows of the store: the board on which it is announced, and the threads that execute it."""
