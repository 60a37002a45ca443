"""Errors of the service as values: a code of the REST contract and a message for people."""

import errno

_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ENOBUFS})


class ServiceError(Exception):
    """A request that is refused by a rule of the service.

    `code` is one of the contract's error codes (``BadRequestTagNameNotUnique``, ``NotFoundProject``, ...);
    the HTTP status follows from the code, in the layers above.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def is_shortage(error: BaseException) -> bool:
    """Whether the system lacked memory or file descriptors: the same request can succeed later."""
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in _SHORTAGES)
