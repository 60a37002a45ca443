"""Long work as rows of the store: the board of jobs, and the threads that execute them."""
