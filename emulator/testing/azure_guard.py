"""A guard that keeps a process from the hosts of the real service.

Names are refused where they are resolved and connected to, and where TLS is negotiated: clients that resolve
names by other ways, or that connect through a proxy, come there too. The service speaks nothing but TLS.
"""

from __future__ import annotations

import functools
import inspect
import socket
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

# Public, government and Chinese clouds.
HOSTS = (
    "cognitiveservices.azure.com",
    "cognitiveservices.azure.us",
    "cognitiveservices.azure.cn",
    "cognitive.microsoft.com",
    "cognitive.microsoft.us",
    "cognitive.azure.us",
    "cognitive.azure.cn",
    "customvision.ai",
)

_Function = TypeVar("_Function", bound=Callable[..., Any])


class AzureForbidden(RuntimeError):
    """A connection to a host of the real service was refused. `host` is its name."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"a connection to the real Custom Vision service ({host}) was refused by"
            " emulator.testing.forbid_azure; use the endpoint of an emulator,"
            " such as that in the variable VISION_TRAINING_ENDPOINT"
        )
        self.host = host


def forbid_azure(function: _Function | None = None, *, hosts: Iterable[str] = ()) -> Any:
    """Refuse connections of this process to hosts of the real service, with AzureForbidden.

    A context manager and a decorator of functions, also of asynchronous ones. It may be nested, and used in
    several threads: connections are refused until the last one ends. Other processes are not affected.

    Args:
        hosts: further hosts, each with its subdomains.

    Returns:
        An `AzureGuard`; as a decorator without parentheses, the decorated function.
    """
    guard = AzureGuard(hosts)
    return guard if function is None else guard(function)


class AzureGuard:
    """What `forbid_azure` returns.

    Attributes:
        attempts: the hosts that were refused, in order, also where the program caught the exception.
    """

    def __init__(self, hosts: Iterable[str] = ()) -> None:
        self.attempts: list[str] = []
        self._hosts = (*HOSTS, *(host.lower().strip(".") for host in hosts))
        self._depth = 0

    def __enter__(self) -> Self:
        with _lock:
            self._depth += 1
            if self._depth == 1:
                _active.append(self)
                if len(_active) == 1:
                    _patches.install()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with _lock:
            self._depth -= 1
            if self._depth == 0:
                _active.remove(self)
                if not _active:
                    _patches.remove()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, function: _Function) -> _Function:
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run_async(*args: Any, **named: Any) -> Any:
                with self:
                    return await function(*args, **named)

            return run_async  # type: ignore[return-value]

        @functools.wraps(function)
        def run(*args: Any, **named: Any) -> Any:
            with self:
                return function(*args, **named)

        return run  # type: ignore[return-value]

    def refuses(self, host: str) -> bool:
        """Whether this is a name of the real service."""
        return any(host == one or host.endswith(f".{one}") for one in self._hosts)


def _check(host: Any) -> None:
    """Raise AzureForbidden for a host that is forbidden at present."""
    if isinstance(host, (bytes, bytearray)):
        host = bytes(host).decode("ascii", "replace")
    if not isinstance(host, str):
        return
    name = host.lower().rstrip(".")
    refusing = [guard for guard in _active if guard.refuses(name)]
    for guard in refusing:
        guard.attempts.append(name)
    if refusing:
        raise AzureForbidden(name)


def _check_address(address: Any) -> None:
    if isinstance(address, tuple) and address:
        _check(address[0])


class _Patches:
    """The functions of the standard library that names of hosts pass through, replaced and put back."""

    def __init__(self) -> None:
        self._replaced: list[tuple[Any, str, Any, bool]] = []

    def install(self) -> None:
        import ssl

        for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
            self._replace(socket, name, lambda host=None, *_, **named: _check(named.get("host", host)))
        for name in ("connect", "connect_ex"):
            self._replace(socket.socket, name, lambda _, address: _check_address(address))
        for name in ("wrap_socket", "wrap_bio"):
            self._replace(ssl.SSLContext, name, _check_server_name)

    def remove(self) -> None:
        while self._replaced:
            owner, name, guarded, is_own = self._replaced.pop()
            if vars(owner).get(name) is not guarded:
                continue  # replaced by somebody else meanwhile, who calls ours, which passes everything on
            if is_own:
                setattr(owner, name, guarded.__wrapped__)
            else:
                delattr(owner, name)

    def _replace(self, owner: Any, name: str, check: Callable[..., None]) -> None:
        original = getattr(owner, name)

        @functools.wraps(original)
        def guarded(*args: Any, **named: Any) -> Any:
            check(*args, **named)
            return original(*args, **named)

        self._replaced.append((owner, name, guarded, name in vars(owner)))
        setattr(owner, name, guarded)


def _check_server_name(_context: Any, *args: Any, server_hostname: Any = None, **named: Any) -> None:
    # The position of the parameter in `wrap_bio` is the fourth, in `wrap_socket` the sixth.
    _check(server_hostname)
    for value in args:
        if isinstance(value, str):
            _check(value)


_lock = threading.Lock()
_active: list[AzureGuard] = []
_patches = _Patches()
