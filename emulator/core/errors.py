"""Errors of the service as values: a code of the REST contract and a message for people."""


class ServiceError(Exception):
    """A request that is refused by a rule of the service.

    `code` is one of the contract's error codes (``BadRequestTagNameNotUnique``, ``NotFoundProject``, ...);
    the HTTP status follows from the code, in the layers above.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
