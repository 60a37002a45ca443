"""HTTP client of the training API of a resource.

The key is sent to the endpoint that the user names and to no other host: redirects are not followed, and
images are fetched by another connection pool, without a key. Pulls send only GET, and the POST that
queries stored predictions; `Service.send` and `delete` are for pushes and copies. Messages have no key and
no query of a URI, which may be a signature.
"""

import contextlib
import random
import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import orjson

from emulator.core.fetching.client import ssl_context
from emulator.pulling.throttle import Throttle, backoff
from emulator.settings.addresses import AZURE_HOSTS, with_ascii_host

if TYPE_CHECKING:
    import httpcore

_TIMEOUTS = {"connect": 15.0, "read": 60.0, "write": 60.0, "pool": 300.0}
_CONNECTIONS = 16
# About ten minutes.
_ATTEMPTS = 20
_JSON_BYTES = 256 * 2**20
_T = TypeVar("_T")
# 204: of deletions. 207: of a batch, some of whose entries failed.
_SUCCESS = frozenset({200, 204, 207})
_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})


class PullFailed(Exception):
    """The pull cannot go on. str() is one line with the reason and what to do."""


class Refused(Exception):
    """The service refused a request, and would again. status: of HTTP. code: of the service; may be empty."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"status {status}" + (f", {message or code}" if message or code else ""))
        self.status = status
        self.code = code
        self.message = message


class _Transient(Exception):
    """A request failed in a way that another attempt may not. str() is the reason."""

    def __init__(self, reason: str, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


@dataclass(frozen=True)
class Endpoint:
    """The address of a resource: scheme, host and port, and a path before ``/customvision``."""

    url: str

    @classmethod
    def parse(cls, text: str) -> "Endpoint":
        """The endpoint in a text, also in one that goes on with a path of the API. Raises PullFailed."""
        text = text.strip()
        if "://" not in text:
            text = f"https://{text}"
        try:
            parts = urlsplit(with_ascii_host(text))
            host = parts.hostname or ""
            _ = parts.port
        except ValueError:
            host = ""
        if not host or parts.scheme not in ("http", "https") or parts.username or parts.password:
            raise PullFailed(
                "the endpoint is no address of a resource; it looks like https://NAME.cognitiveservices.azure.com"
            )
        if parts.scheme == "http" and host.endswith(AZURE_HOSTS):
            raise PullFailed("the endpoint begins with http://, which would show the key; use https://")
        prefix = parts.path.lower().partition("/customvision")[0].rstrip("/")
        return cls(f"{parts.scheme}://{parts.netloc}{parts.path[: len(prefix)]}")

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc


class Service:
    """The resource. Its methods block and may be called in several threads.

    Args:
        key: the training key.
        throttle: of the calls to the API; images have no part in it.
        attempts: of each request.
        sleep: waits a number of seconds; for tests.

    Methods raise Refused, PullFailed.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        key: str,
        throttle: Throttle,
        *,
        attempts: int = _ATTEMPTS,
        sleep: Callable[[float], object] | None = None,
        chance: random.Random | None = None,
    ) -> None:
        if not key or not key.isascii() or not key.isprintable():
            raise PullFailed("the training key is empty, or has characters that no key has")
        self._endpoint = endpoint
        self._headers = {"Training-Key": key}
        self._throttle = throttle
        self._attempts = attempts
        self._chance = chance or random.Random()
        self._stopped = threading.Event()
        self._sleep = sleep or self._stopped.wait
        self._api = _pool(endpoint.url)
        self._files = _pool("https://blob.core.windows.net")

    @property
    def host(self) -> str:
        return self._endpoint.host

    def stop(self) -> None:
        """Let no request be repeated from now on."""
        self._stopped.set()

    def close(self) -> None:
        self._api.close()
        self._files.close()

    def get(self, path: str, version: str = "v3.3", **parameters: Any) -> Any:
        """The JSON of a response. path: below ``training``."""
        return self._parsed("GET", path, version, parameters)

    def post(self, path: str, body: dict[str, Any], version: str = "v3.3") -> Any:
        """The JSON of a response to a query."""
        return self._parsed("POST", path, version, {}, orjson.dumps(body))

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        recover: Callable[[], Any] | None = None,
        **parameters: Any,
    ) -> Any:
        """Send a request that changes something, for a push; the JSON of its response.

        recover: called before the request is repeated, which may have been carried out although its response
            was lost; a result other than None is used instead of the JSON of the response.
        """
        content = b"" if body is None else orjson.dumps(body)
        return self._parsed(method, path, "v3.3", parameters, content, recover)

    def delete(self, path: str) -> None:
        """Delete what a path names. What is not there was deleted by a request whose response was lost."""
        url = self._url(path, "v3.3", {})
        try:
            self._repeated(lambda: self._call("DELETE", url, b"", _JSON_BYTES))
        except Refused as refused:
            if refused.status != 404:
                raise

    def pause(self, seconds: float) -> None:
        """Wait, unless the service is stopped."""
        self._sleep(seconds)
        if self._stopped.is_set():
            raise PullFailed("the pull was stopped")

    def artifact(self, project_id: str, path: str, most: int) -> bytes:
        """The bytes of an image by its relative URI, as resources in a virtual network have them."""
        url = self._url(f"projects/{project_id}/artifacts", "v3.3", {"path": path})
        return self._repeated(lambda: self._call("GET", url, b"", most))

    def file(self, uri: str, most: int) -> bytes:
        """The bytes of a signed URI, `most` at most, without the key."""
        return self._repeated(lambda: _read(self._files, "GET", uri, {}, b"", most))

    def download(self, uri: str, target: IO[bytes], most: int) -> None:
        """Write the bytes of a signed URI to a file, in pieces, without the key."""

        def attempt() -> None:
            target.seek(0)
            target.truncate()
            _read(self._files, "GET", uri, {}, b"", most, target)

        self._repeated(attempt)

    def _parsed(
        self,
        method: str,
        path: str,
        version: str,
        parameters: Mapping[str, str | int],
        body: bytes = b"",
        recover: Callable[[], Any] | None = None,
    ) -> Any:
        url = self._url(path, version, parameters)

        def attempt() -> Any:
            content = self._call(method, url, body, _JSON_BYTES)
            try:
                return orjson.loads(content)
            except orjson.JSONDecodeError:
                raise _Transient(f"a response of {self._endpoint.host} is not JSON") from None

        try:
            return self._repeated(attempt, recover)
        except Refused as refused:
            if refused.status in (401, 403) and refused.code in ("", "401", "403", "PermissionDenied"):
                raise PullFailed(_denied(self._endpoint, refused)) from None
            raise

    def _url(self, path: str, version: str, parameters: Mapping[str, str | int]) -> str:
        query = f"?{urlencode(parameters, quote_via=quote, safe='')}" if parameters else ""
        return f"{self._endpoint.url}/customvision/{version}/training/{path}{query}"

    def _call(self, method: str, url: str, body: bytes, most: int) -> bytes:
        self._throttle.wait()
        headers = dict(self._headers)
        if body:
            headers["Content-Type"] = "application/json"
        try:
            content = _read(self._api, method, url, headers, body, most)
        except _Transient as transient:
            if isinstance(transient, _Throttled):
                self._throttle.refused(transient.retry_after)
            raise
        self._throttle.succeeded()
        return content

    def _repeated(self, attempt: Callable[[], _T], recover: Callable[[], _T | None] | None = None) -> _T:
        for number in range(self._attempts):
            if self._stopped.is_set():
                raise PullFailed("the pull was stopped")
            try:
                return attempt()
            except _Transient as transient:
                reason = transient
            self._sleep(backoff(number, self._chance, reason.retry_after))
            found = None if recover is None else recover()
            if found is not None:
                return found
        raise PullFailed(
            f"{reason}, {self._attempts} times; what was pulled is kept, run the command again later"
        )


class _Throttled(_Transient):
    """429."""


def _denied(endpoint: Endpoint, refused: Refused) -> str:
    return (
        f"{endpoint.host} refused the key ({refused}): give the training key, not the prediction key, of the "
        "resource that has this endpoint (Azure portal, Keys and Endpoint; or customvision.ai, Settings)"
    )


def _pool(url: str) -> "httpcore.ConnectionPool":
    import httpcore

    options: dict[str, Any] = {
        "ssl_context": ssl_context(),
        "max_connections": _CONNECTIONS,
        "max_keepalive_connections": _CONNECTIONS,
        "keepalive_expiry": 30.0,
        "socket_options": [
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
            (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        ],
    }
    parts = urlsplit(url)
    # As other programs on this machine do. Only for https, whose tunnel shows the proxy no key.
    proxy = urllib.request.getproxies().get("https")
    if proxy and parts.scheme == "https" and not urllib.request.proxy_bypass(parts.hostname or ""):
        return httpcore.HTTPProxy(proxy_url=proxy if "://" in proxy else f"http://{proxy}", **options)
    return httpcore.ConnectionPool(**options)


def _read(
    pool: "httpcore.ConnectionPool",
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    most: int,
    target: IO[bytes] | None = None,
) -> bytes:
    """One request; the body of its response, or b"" when it is written to `target`.

    Raises _Transient, Refused.
    """
    import httpcore

    parts = urlsplit(url)
    place = parts.netloc
    sent = {
        "Host": place,
        "User-Agent": "custom-vision-emulator",
        "Accept": "application/json" if parts.path.startswith("/customvision") else "*/*",
        "Accept-Encoding": "identity",
        "Content-Length": str(len(body)),
        **headers,
    }
    if method == "GET":
        del sent["Content-Length"]
    try:
        with pool.stream(
            method,
            url,
            headers=[(name.encode(), value.encode()) for name, value in sent.items()],
            content=body,
            extensions={"timeout": _TIMEOUTS},
        ) as response:
            into = target if response.status in _SUCCESS else None
            content = _bounded(response, most, into)
    except (
        httpcore.TimeoutException,
        httpcore.NetworkError,
        httpcore.ProtocolError,
        httpcore.ProxyError,
    ) as error:
        reason = str(error) or type(error).__name__
        raise _Transient(f"{place} could not be reached or broke off ({reason[:200]})") from None
    except (httpcore.UnsupportedProtocol, UnicodeError, ValueError):
        raise Refused(0, "", "the URI is not one of http") from None
    if response.status in _SUCCESS:
        return content
    raise _failure(place, response, content)


def _bounded(response: "httpcore.Response", most: int, target: IO[bytes] | None) -> bytes:
    pieces: list[bytes] = []
    size = 0
    for piece in response.iter_stream():
        size += len(piece)
        if size > most:
            raise Refused(0, "", f"the response is larger than {most // 2**20} MB")
        if target is None:
            pieces.append(piece)
        else:
            target.write(piece)
    return b"".join(pieces)


def _failure(place: str, response: "httpcore.Response", content: bytes) -> Exception:
    status = response.status
    code, message = _error_in(content)
    headers = {name.lower(): value for name, value in response.headers}
    if status == 429:
        return _Throttled(
            f"{place} refused requests for their rate (429)", _seconds(headers.get(b"retry-after"))
        )
    if status in _TRANSIENT:
        return _Transient(
            f"{place} answered with status {status}" + (f" ({message or code})" if message or code else ""),
            _seconds(headers.get(b"retry-after")),
        )
    return Refused(status, code, message)


def _seconds(text: bytes | None) -> float:
    """The seconds of a Retry-After header; a date counts as a second, the clocks may differ."""
    if text is None:
        return 0.0
    with contextlib.suppress(ValueError):
        return max(0.0, float(text))
    return 1.0


def _error_in(content: bytes) -> tuple[str, str]:
    """Code and message of an error in either form of the service."""
    try:
        value = orjson.loads(content)
        error = value.get("error", value)
        return str(error.get("code", ""))[:100], str(error.get("message", ""))[:300]
    except (orjson.JSONDecodeError, AttributeError):
        return "", ""


@contextlib.contextmanager
def opened(service: Service) -> Iterator[Service]:
    """The service, closed at the end."""
    try:
        yield service
    finally:
        service.stop()
        service.close()
