"""Checks of names, descriptions and numbers of items in requests."""

import unicodedata
from collections.abc import Iterable

from emulator.core.errors import ServiceError
from emulator.core.rules.limits import DESCRIPTION_LENGTH, NAME_LENGTH

# Those that are not control characters: Unicode's line and paragraph separators.
_LINE_BREAKS = "\u2028\u2029"


def checked_name(text: str | None, code: str, what: str) -> str:
    """`text` without surrounding blanks. Raises ServiceError(code) when it is not a valid name.

    what: the thing that is named, for the message.
    """
    name = (text or "").strip()
    if not name:
        raise ServiceError(code, f"The name of the {what} must not be empty.")
    _check(name, NAME_LENGTH, code, f"name of the {what}")
    if any(character in _LINE_BREAKS or unicodedata.category(character) == "Cc" for character in name):
        raise ServiceError(code, f"The name of the {what} contains line breaks or control characters.")
    return name


def checked_path_name(text: str | None, code: str, what: str) -> str:
    """`checked_name` for names that are segments of paths.

    Clients remove the segments "." and ".." from paths (RFC 3986, section 5.2.4), also percent-encoded ones,
    so such a name could not be addressed. All other names can, percent-encoded.
    """
    name = checked_name(text, code, what)
    if name in (".", ".."):
        raise ServiceError(
            code, f"The name of the {what} must not be '.' or '..', which paths cannot contain."
        )
    return name


def checked_description(text: str, code: str, what: str) -> str:
    _check(text, DESCRIPTION_LENGTH, code, f"description of the {what}")
    return text


def in_any_case(text: str, names: Iterable[str]) -> str | None:
    """The name that equals `text` in any case, as the contract spells it; None when there is none.

    Surrounding blanks do not count, as in .NET's `Enum.Parse`.
    """
    lowered = text.strip().lower()
    return next((name for name in names if name.lower() == lowered), None)


def check_batch_size(subject: str, count: int, items: str, limit: int) -> None:
    """Raises ServiceError when a request has more items than allowed.

    subject, items: for the message, as "The batch has" and "images".
    """
    if count > limit:
        raise ServiceError(
            "BadRequestExceededBatchSize", f"{subject} {count} {items}; at most {limit} are allowed."
        )


def _check(text: str, longest: int, code: str, what: str) -> None:
    if len(text) > longest:
        raise ServiceError(code, f"The {what} has {len(text)} characters; at most {longest} are allowed.")
    if not text.isprintable() and any(
        ord(character) < 32 and character not in "\t\r\n" for character in text
    ):
        raise ServiceError(code, f"The {what} contains control characters.")
    if any(0xD800 <= ord(character) <= 0xDFFF for character in text):
        raise ServiceError(code, f"The {what} is not valid Unicode.")
