"""Parts of requests as they are logged: on one line, printable, shortened, without keys and signatures."""

import re
from collections.abc import Iterable

from starlette.types import Scope

LONGEST_PATH = 2000
# Shorter keys would be found in ordinary words.
_SHORTEST_SECRET = 4
_NOT_PRINTABLE_ASCII = re.compile(rb"[^!-~]")
_USER_IN_URL = re.compile(r"(://)[^/\s?#'\"@]*@")
_QUERY_OF_URL = re.compile(r"(://[^\s?#'\"]*)[?#][^\s'\"]*")
_SECRET_PARAMETER = re.compile(
    r"((?:sig|signature|token|key|secret|password|pwd)=['\"]?)[^&\s,;'\"]+", re.IGNORECASE
)
_QUERY = re.compile(r"[?#].*=.*", re.DOTALL)


def printable_path(scope: Scope) -> str:
    """The path as the client sent it, without the query; percent-encoded, so that it cannot forge lines."""
    sent: bytes = scope.get("raw_path") or scope["path"].encode()
    path = sent.partition(b"?")[0][:LONGEST_PATH]
    return _NOT_PRINTABLE_ASCII.sub(lambda found: b"%%%02X" % found[0][0], path).decode("ascii")


def printable(text: str, longest: int) -> str:
    """The text with escapes for line breaks, control characters and lone surrogates, shortened in the middle.

    Names that clients send can be in any language, so other characters stay.
    """
    if not text.isprintable():
        text = "".join(
            character if character.isprintable() else character.encode("unicode_escape").decode()
            for character in text
        )
    if len(text) <= longest:
        return text
    half = (longest - 3) // 2
    return f"{text[:half]}...{text[-half:]}"


def without_query(name: str) -> str:
    """A name that may be a URL, without its query, in which signatures are."""
    return _QUERY.sub("?***", name)


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """The text without `secrets`, queries of URLs (where signatures are) and values of other secrets."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "***")
    text = _USER_IN_URL.sub(r"\1***@", text)
    text = _QUERY_OF_URL.sub(r"\1?***", text)
    return _SECRET_PARAMETER.sub(r"\1***", text)
