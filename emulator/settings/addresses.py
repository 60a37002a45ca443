"""Addresses to listen on, and hosts of resources."""

import ipaddress
import socket
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """True when only programs on this machine can reach the host."""
    try:
        addresses = [information[4][0] for information in socket.getaddrinfo(host, None)]
    except OSError:
        return False
    return all(ipaddress.ip_address(str(address).partition("%")[0]).is_loopback for address in addresses)


def with_ascii_host(url: str) -> str:
    """A URL whose host name is in the form of DNS, such as ``xn--exmple-cua.com`` for ``exämple.com``.

    By UTS 46, as browsers do. Raises ValueError for a text that is no URL, or a host that has no such form.
    """
    if url.isascii():
        return url
    parts = urlsplit(url)
    import idna

    user, at, authority = parts.netloc.rpartition("@")
    host, colon, port = authority.partition(":")
    try:
        name = idna.encode(host, uts46=True).decode("ascii")
    except UnicodeError as error:
        raise ValueError(f"has a host that is no name of a host: {error}") from None
    return parts._replace(netloc=f"{user}{at}{name}{colon}{port}").geturl()


# Hosts of Azure are reached with https only: a key that was sent without it is known to others.
AZURE_HOSTS = (".azure.com", ".microsoft.com", ".azure.us", ".azure.cn", ".windows.net")


def without_password(url: str) -> str:
    """The URL of a database for people: without its password and parameters."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    return f"{parts.scheme}://{user.partition(':')[0]}{at}{host}{parts.path}"
