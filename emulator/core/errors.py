"""Errors of the service as values: a code of the REST contract and a message for people."""

import errno

_UNUSABLE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO})
_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ENOBUFS})


class ServiceError(Exception):
    """A request that is refused by a rule of the service.

    `code` is one of the contract's error codes (``BadRequestTagNameNotUnique``, ``NotFoundProject``, ...);
    the HTTP status follows from the code, in the layers above. `detail` is what the service's message leaves
    out; only the log has it.
    """

    def __init__(self, code: str, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.detail = detail


def reasons(error: BaseException | None) -> list[str]:
    """For the log: the messages of an error and its causes (``raise ... from``), each with its `detail`."""
    found: list[str] = []
    seen: list[BaseException] = []
    # An error can be its own cause.
    while error is not None and error not in seen:
        seen.append(error)
        for text in (str(error), getattr(error, "detail", "")):
            # Exceptions of other packages have attributes of this name that are no text.
            if isinstance(text, str) and text and not any(text in known for known in found):
                found.append(text)
        error = error.__cause__
    return found


def is_shortage(error: BaseException) -> bool:
    """Whether the system lacked memory or file descriptors: the same request can succeed later."""
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in _SHORTAGES)


def is_file_unusable(error: BaseException) -> bool:
    """Whether the system does not let the program read or write a file: permissions, or a defective disk."""
    return isinstance(error, OSError) and error.errno in _UNUSABLE
