"""The headers that every answer of the service carries."""

from emulator.contract.versions import Version

_REQUEST_ID_SINCE = {"training": (3, 2), "prediction": (3, 1)}


def answer_headers(
    request_id: str, version: Version | None, *, exact: bool = True
) -> list[tuple[bytes, bytes]]:
    """Names and values.

    Args:
        version: that serves the request; None outside of both APIs.
        exact: the client named that very version. The header for the rest is the emulator's own.
    """
    headers = [
        (b"apim-request-id", request_id.encode()),
        (b"strict-transport-security", b"max-age=31536000; includeSubDomains; preload"),
        (b"x-content-type-options", b"nosniff"),
    ]
    if version is not None:
        if version.number >= _REQUEST_ID_SINCE[version.api]:
            headers.append((b"request-id", request_id.encode()))
        if not exact:
            headers.append((b"x-emulator-served-version", version.name.encode()))
    return headers
