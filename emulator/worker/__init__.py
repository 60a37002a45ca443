"""Long work in a child process. Knows nothing of HTTP, of the store or of the rules of the service.

`worker.py` is the server's side, `child.py` the child's, `messages.py` what they say to each other.
"""
