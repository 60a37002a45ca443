"""The rules of the service: what may be done, in which order, and what follows from it.

Plain functions that take the `Context` first. Knows no HTTP and imports no torch.
"""
