"""The rules of the service: what may be done, in which order, and with which result.

Functions whose first parameter is the `Context`. Independent of HTTP and of torch.
"""
