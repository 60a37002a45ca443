"""Errors of the service as values: a code of the REST contract and a message for people."""


class ServiceError(Exception):
    """A request that the rules of the service refuse.

    `code` is one of the contract's error codes (``BadRequestTagNameNotUnique``, ``NotFoundProject``, ...);
    the HTTP status follows from the code and is nobody's concern in this layer.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
