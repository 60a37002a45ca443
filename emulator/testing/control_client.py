"""Requests to a running emulator, without packages besides the standard library."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

# The API version of requests that a test kit sends itself.
TRAINING = "/customvision/v3.3/training"


class EmulatorError(Exception):
    """A response of the emulator that is an error.

    Attributes:
        status: the HTTP status; 0 when there was no response.
        code: the service's error code; empty when there is none.
        message: the text of the response.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{code or status}: {message}" if code or status else message)
        self.status = status
        self.code = code
        self.message = message


class ControlClient:
    """Sends requests to a running emulator; may be used from several threads.

    Args:
        certificate: a file with the certificate (PEM) that an https endpoint has, or with its authority's.
        timeout: seconds to wait for each response.

    Raises:
        ValueError: the endpoint is no URL.
    """

    def __init__(
        self,
        endpoint: str,
        training_key: str,
        *,
        certificate: str | Path | None = None,
        timeout: float = 60,
    ) -> None:
        self.endpoint = checked_endpoint(endpoint)
        self._training_key = training_key
        self._certificate = certificate
        self._timeout = timeout

    def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | bytes | None = None,
        /,
        **query: object,
    ) -> Any:
        """The JSON of the response, its bytes if it is not JSON, or None if it is empty.

        Args:
            body: sent as JSON, or as it is.
            query: parameters; those that are None are left out.

        Raises:
            EmulatorError: the response is an error, or there is none.
            ValueError: a number of the body is infinite or not a number.
        """
        import http.client  # here, for a fast start of test suites that do not use it

        headers = {"Training-Key": self._training_key}
        data = body if isinstance(body, bytes) else None
        if body is not None and data is None:
            data = json.dumps(body, allow_nan=False).encode()
            headers["Content-Type"] = "application/json"
        elif data is not None:
            headers["Content-Type"] = "application/octet-stream"
        given = {name: value for name, value in query.items() if value is not None}
        target = urlsplit(self.endpoint).path + path + (f"?{urlencode(given, doseq=True)}" if given else "")
        connection = self._connect()
        try:
            connection.request(method, target, data, headers)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            reason = str(error) or type(error).__name__
            raise EmulatorError(0, "", f"no emulator answers at {self.endpoint}: {reason}") from None
        finally:
            connection.close()
        is_json = response.getheader("Content-Type", "").partition(";")[0].endswith("json")
        value = json.loads(content) if is_json and content else content or None
        if response.status >= 400:
            raise _error(response.status, value)
        return value

    def _connect(self) -> Any:
        import http.client

        address = urlsplit(self.endpoint)
        if address.scheme != "https":
            return http.client.HTTPConnection(address.netloc, timeout=self._timeout)
        import ssl

        context = ssl.create_default_context(cafile=self._certificate)
        if self._certificate is not None:  # it need not be that of an authority
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        return http.client.HTTPSConnection(address.netloc, timeout=self._timeout, context=context)


def checked_endpoint(endpoint: str) -> str:
    """An endpoint without a slash at the end. Raises ValueError if it is no URL of http or https."""
    address = urlsplit(endpoint)
    if address.scheme not in ("http", "https") or not address.netloc:
        raise ValueError(f"the endpoint {endpoint[:200]!r} must begin with http:// or https:// and a host")
    return endpoint.rstrip("/")


def segment(text: str) -> str:
    """A text as one segment of a path."""
    return quote(text, safe="")


def camel_case(name: str) -> str:
    """The name of a property or parameter of an API: ``timeoutSeconds`` for ``timeout_seconds``."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def _error(status: int, value: Any) -> EmulatorError:
    if isinstance(value, dict):
        inner = value.get("error", value)
        return EmulatorError(status, str(inner.get("code", "")), str(inner.get("message", value)))
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else ""
    return EmulatorError(status, "", text or f"status {status}")
