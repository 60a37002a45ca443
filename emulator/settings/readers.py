"""Readers of options: text to value.

Each raises `ValueError` with the end of a sentence that starts with the text ("is not ...").
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from emulator.settings.addresses import AZURE_HOSTS, with_ascii_host

LONGEST_KEY = 512


def whole_number(lowest: int, highest: int) -> Callable[[str], int]:
    """A reader of integers in [lowest, highest]."""

    def read(text: str) -> int:
        # int() also accepts "1_000", " 5 " and digits of other scripts, which are probably mistakes.
        if not (text.isascii() and text.isdigit() and len(text) < 20 and lowest <= int(text) <= highest):
            raise ValueError(f"is not a whole number from {lowest} to {highest}")
        return int(text)

    return read


def one_of(*allowed: str) -> Callable[[str], str]:
    """A reader of one of several words, in any case."""

    def read(text: str) -> str:
        if text.lower() not in allowed:
            raise ValueError(f"is not one of: {', '.join(allowed)}")
        return text.lower()

    return read


def read_boolean(text: str) -> bool:
    """A boolean in one of the spellings that are common in environment variables."""
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off"):
        return False
    raise ValueError("is neither on (1, true, yes, on) nor off (0, false, no, off)")


def read_host(text: str) -> str:
    """A host name or IP address to listen on, without the brackets of an IPv6 address."""
    host = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if not host or any(character.isspace() or character in "/@[]" for character in host):
        raise ValueError("is not a host name or an IP address (127.0.0.1, 0.0.0.0, ::1, localhost)")
    return host


def read_path(text: str) -> Path:
    """An absolute path; a leading ``~`` is the home folder."""
    if not text or "\0" in text:
        raise ValueError("is not a path")
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        raise ValueError("names a home folder that does not exist") from None


# The folder of another option; all other folders are absolute.
SAME_FOLDER = Path()


def read_folder_or_same(text: str) -> Path | None:
    """A path, SAME_FOLDER for "on" and None for "off", in the spellings of booleans."""
    try:
        return SAME_FOLDER if read_boolean(text) else None
    except ValueError:
        return read_path(text)


def read_public_url(text: str) -> str:
    """The base of URLs, without a trailing slash."""
    problem = "is not the base of a URL (http://host:port or https://host/path, without query or fragment)"
    try:
        parts = urlsplit(text)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        raise ValueError(problem) from None
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or not port_is_valid
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
        or not text.isascii()
        or any(character.isspace() or not character.isprintable() for character in text)
    ):
        raise ValueError(problem)
    return text.rstrip("/")


def read_upstream(text: str) -> str:
    """The endpoint of a resource; a path that begins with ``/customvision`` is cut off."""
    url = read_public_url(with_ascii_host(text))
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    if scheme == "http" and host.lower().partition(":")[0].endswith(AZURE_HOSTS):
        raise ValueError("begins with http://, which would show the key on the way; use https://")
    prefix = f"/{path}".lower().partition("/customvision")[0]
    return f"{scheme}://{host}{f'/{path}'[: len(prefix)].rstrip('/')}"


def read_database(text: str) -> str:
    """The URL of a PostgreSQL database. Its parts are checked when it is opened."""
    if text.partition("://")[0] not in ("postgresql", "postgres"):
        raise ValueError("must be a URL that begins with postgresql://")
    # The parts are in no message: what seems to be a host or port can be a part of the password.
    problem = (
        "must be a URL such as postgresql://user@host:5432/name; in a user name or password, characters such "
        "as @ : / ? # [ ] must be percent-encoded (%40 %3A %2F %3F %23 %5B %5D)"
    )
    try:
        parts = urlsplit(text)
        user, _, host = parts.netloc.rpartition("@")
        is_plain = "," in host or parts.port != 0
    except ValueError:
        raise ValueError(problem) from None
    if not is_plain or "#" in text or "@" in user + parts.path or user.count(":") > 1:
        raise ValueError(problem)
    if "," in host:
        raise ValueError(
            "must have several hosts as parameters: postgresql://user@/name?host=HOST1:5432&host=HOST2:5432"
        )
    if not parts.path.strip("/"):
        raise ValueError("must have the name of a database, as in postgresql://user@host/name")
    return text


def read_blobs(text: str) -> str:
    """The URL of an object store: a bucket or container with a prefix, or a folder."""
    parts = urlsplit(text)
    if parts.scheme == "file":
        if parts.netloc or not parts.path.strip("/"):
            raise ValueError("must name a folder, as in file:///mnt/blobs")
    elif parts.scheme not in ("s3", "az") or not parts.netloc:
        raise ValueError("must be a URL such as s3://bucket/prefix, az://container/prefix or file:///folder")
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("must have no keys or parameters; they are read from variables")
    return text


def read_cluster(text: str) -> str:
    """The address of the scheduler of a Dask cluster."""
    problem = "must be the address of a scheduler, such as tcp://host:8786 or tls://host:8786"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(problem) from None
    is_host = re.fullmatch(r"[a-z0-9_.:-]+", parts.hostname or "")
    if parts.scheme not in ("tcp", "tls") or not is_host or not port or "@" in parts.netloc:
        raise ValueError(problem)
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(problem)
    return text


def read_keys(text: str) -> tuple[str, str]:
    """One or two keys separated by a comma; a single key is returned twice."""
    keys = [key.strip() for key in text.split(",")]
    for key in keys:
        if not (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable() and " " not in key):
            raise ValueError(
                f"must be one or two keys separated by a comma, each of 1 to {LONGEST_KEY} visible ASCII"
                " characters"
            )
    if len(keys) > 2:
        raise ValueError("has more than two keys (a resource has two)")
    return keys[0], keys[-1]


def read_resource_id(text: str) -> str:
    """The Azure Resource Manager id of a Cognitive Services account."""
    parts = text.split("/")
    names = [part.lower() for part in parts]
    if (
        len(parts) != 9
        or names[0] != ""
        or names[1] != "subscriptions"
        or names[3] != "resourcegroups"
        or names[5:8] != ["providers", "microsoft.cognitiveservices", "accounts"]
        or not all(parts[1:])
        or not (text.isascii() and text.isprintable())
    ):
        raise ValueError(
            "is not a resource id (/subscriptions/ID/resourceGroups/GROUP"
            "/providers/Microsoft.CognitiveServices/accounts/NAME)"
        )
    return text


def read_allowed_host(text: str) -> str:
    """A host, ``host:port`` or a network in CIDR notation."""
    problem = "is not a host, host:port or network (files.example, 10.0.0.7:8080, 192.168.0.0/16)"
    try:
        if "/" in text:
            ipaddress.ip_network(text)
        elif text.count(":") > 1 and not text.startswith("["):
            ipaddress.ip_address(text)
        else:
            parts = urlsplit("//" + text)
            is_plain = parts.netloc == text and text.isprintable() and not {" ", "@"} & set(text)
            if not is_plain or not parts.hostname or parts.port == 0:
                raise ValueError(problem)
    except ValueError:
        raise ValueError(problem) from None
    return text.lower()


def read_network(text: str) -> str:
    """An IP address or a network in CIDR notation."""
    try:
        return str(ipaddress.ip_network(text.strip("[]")))
    except ValueError:
        raise ValueError("is not an IP address or a network (10.0.0.7, 172.16.0.0/12, ::1)") from None


def read_host_name(text: str) -> str:
    """A host name without a port, ``*.`` and a name, or ``*``."""
    name = text.lower().removeprefix("*.").removesuffix(".")
    if text != "*" and not re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", name):
        raise ValueError("is not a host name (vision.example, *.vision.example, or * for all)")
    return text.lower()


def read_origin(text: str) -> str:
    """A web origin as browsers send it, ``null``, or ``*``."""
    problem = "is not an origin (https://app.example, http://10.0.0.7:3000, null, or * for all)"
    if text in ("*", "null"):
        return text
    try:
        parts = urlsplit(text.lower())
        port = parts.port
    except ValueError:
        raise ValueError(problem) from None
    is_plain = text.isascii() and text.isprintable() and not {" ", "@", "?", "#", "*", ","} & set(text)
    if not (is_plain and parts.scheme and parts.hostname and parts.path in ("", "/") and port != 0):
        raise ValueError(problem)
    # Browsers leave out the default port.
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return f"{parts.scheme}://{host}" + ("" if port in (None, default) else f":{port}")


def read_url_mapping(text: str) -> tuple[str, Path]:
    """``https://host/path=FOLDER``: a URL prefix and the folder that such URLs are read from."""
    prefix, equals, folder = text.partition("=")
    if not equals:
        raise ValueError("is not of the form https://host/path=FOLDER")
    try:
        prefix = read_public_url(prefix)
    except ValueError as error:
        raise ValueError(f"does not start with a URL prefix: {prefix!r} {error}") from None
    path = read_path(folder)
    if not path.is_dir():
        raise ValueError(f"names a folder that does not exist: {str(path)!r}")
    return prefix, path


def read_role_assignment(text: str) -> tuple[str, str]:
    """A principal and the name of its role, separated by ``=``; the role is checked by the application."""
    principal, equals, role = (part.strip() for part in text.rpartition("="))
    if not (principal and equals and role):
        raise ValueError("is not NAME=ROLE")
    return principal, role
