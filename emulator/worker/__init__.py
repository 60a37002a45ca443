"""Long jobs in a child process, independent of HTTP, the store and the rules of the service.

`executor` and `process` are the server's side, `child` is the child's side, and `messages` is the protocol
between them.
"""
