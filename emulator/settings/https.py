"""The options of https, which both servers have, and what follows from them."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol
from urllib.parse import urlsplit

from emulator.settings.option_fields import option
from emulator.settings.readers import one_of, read_path, whole_number

HttpsMode = Literal["off", "auto"]
# Below the data folder, unless an option names another.
AUTHORITY_FOLDER = "https"
# In that folder: the certificate that clients trust.
CERTIFICATE_FILE = "authority.pem"
# The same with the certificates that the system trusts, for clients whose variables replace those.
BUNDLE_FILE = "bundle.pem"
# The addresses that mean "all addresses" of this machine.
_ALL_ADDRESSES = ("0.0.0.0", "::")  # noqa: S104
# The names of this machine on itself and in containers (Docker, Podman), and of the service in docker/.
_OWN_NAMES = (
    "localhost",
    "127.0.0.1",
    "::1",
    "host.docker.internal",
    "host.containers.internal",
    "custom-vision-emulator",
)
# A certificate for all names below a top-level domain would be refused.
_DNS_NAME = re.compile(r"(\*\.[a-z0-9_-]{1,63}\.)?[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_LONGEST_DNS_NAME = 253


class HttpsOptions(Protocol):
    """The part of the settings of a server that https depends on."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def https(self) -> HttpsMode: ...
    @property
    def https_port(self) -> int | None: ...
    @property
    def https_authority(self) -> Path | None: ...
    @property
    def certificate(self) -> Path | None: ...
    @property
    def certificate_key(self) -> Path | None: ...
    @property
    def allowed_hosts(self) -> tuple[str, ...]: ...


class ServerNames(NamedTuple):
    """DNS names (also ``*.NAME``) and IP addresses that a server's certificate is for.

    Attributes:
        given: those that options name.
        own: those of every server, and the name of this machine.
    """

    given: tuple[str, ...]
    own: tuple[str, ...]


def https_option() -> Any:
    """The option of all servers for https with a certificate authority of their own."""
    return option(
        "off",
        "--https",
        "MODE",
        "auto: speak https with a certificate of the emulator's own authority (see trust); or off.",
        one_of("off", "auto"),
    )


def https_port_option() -> Any:
    """The option of all servers for https on a second port."""
    return option(
        None,
        "--https-port",
        "NUMBER",
        "Port for https, with plain http on --port; 0 takes any free one.",
        whole_number(0, 65535),
        default_text="https on --port, without http",
    )


def https_authority_option() -> Any:
    """The option of all servers for the folder of the certificate authority."""
    return option(
        None,
        "--https-authority",
        "FOLDER",
        "Folder of the certificate authority of --https auto.",
        read_path,
        default_text="https in the data folder",
    )


def certificate_option() -> Any:
    """The option of all servers for the certificate with which they speak https."""
    return option(
        None,
        "--certificate",
        "FILE",
        "Certificate (PEM) with which the server speaks https, followed by intermediate ones.",
        read_path,
        default_text="plain http",
    )


def certificate_key_option() -> Any:
    """The option of all servers for the private key of their certificate."""
    return option(
        None,
        "--certificate-key",
        "FILE",
        "Private key (PEM) of the certificate.",
        read_path,
        default_text="in the file of the certificate",
    )


def has_https(options: HttpsOptions) -> bool:
    """Whether the server speaks https on one of its ports."""
    return options.https == "auto" or options.certificate is not None


def local_endpoint(options: HttpsOptions, port: int) -> str:
    """The endpoint at ``--port`` for clients on this machine. port: the one that is listened on."""
    return _url("https" if has_https(options) and options.https_port is None else "http", options.host, port)


def local_https_endpoint(options: HttpsOptions, port: int) -> str:
    """The endpoint at ``--https-port`` for clients on this machine. port: the one that is listened on."""
    return _url("https", options.host, port)


def _url(scheme: str, host: str, port: int) -> str:
    # The addresses that mean "all addresses" cannot be connected to.
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"{scheme}://{f'[{reachable}]' if ':' in reachable else reachable}:{port}"


def authority_folder(options: HttpsOptions, data: Callable[[], Path]) -> Path:
    """The folder of the certificate authority.

    Args:
        data: finds the data folder; the user's default one for a server without one that lasts, so that
            clients need to trust the authority only once.
    """
    return options.https_authority or data() / AUTHORITY_FOLDER


def server_names(options: HttpsOptions, public_url: str | None = None) -> ServerNames:
    """The names that clients may use for a server."""
    public_host = urlsplit(public_url).hostname if public_url is not None else None
    hosts = (() if options.host in _ALL_ADDRESSES else (options.host,)) + (public_host or "",)
    given = tuple(_certifiable((*hosts, *options.allowed_hosts)))
    own = tuple(_certifiable((*_OWN_NAMES, socket.gethostname())))
    return ServerNames(given, tuple(name for name in own if name not in given))


def _certifiable(names: Iterable[str]) -> dict[str, None]:
    """The names that a certificate can be for, in lower case and in their order."""
    found: dict[str, None] = {}
    for name in names:
        plain = name.lower().rstrip(".").partition("%")[0]
        try:
            found[str(ipaddress.ip_address(plain))] = None
        except ValueError:
            if _DNS_NAME.fullmatch(plain) and len(plain) <= _LONGEST_DNS_NAME:
                found[plain] = None
    return found


def trust_variables(folder: Path) -> dict[str, str]:
    """The variables by which most clients trust the authority in a folder, by name."""
    bundle = str(folder / BUNDLE_FILE)
    return {
        # These replace what the client trusts otherwise.
        "SSL_CERT_FILE": bundle,
        "REQUESTS_CA_BUNDLE": bundle,
        "CURL_CA_BUNDLE": bundle,
        "NODE_EXTRA_CA_CERTS": str(folder / CERTIFICATE_FILE),
    }
