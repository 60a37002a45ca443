"""Options of a settings class: declared as its fields, given as flags or environment variables."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, field, fields
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from emulator.settings.errors import SettingError
from emulator.settings.readers import (
    one_of,
    read_allowed_host,
    read_database,
    read_host_name,
    read_keys,
    read_network,
    read_origin,
)

ENVIRONMENT_PREFIX = "CUSTOM_VISION_EMULATOR_"
LOG_LEVELS = ("critical", "error", "warning", "info", "debug")
UrlFetchMode = Literal["public", "any", "off"]
_SECRET_BYTES = 4096
URL_FETCH_MODES = get_args(UrlFetchMode)


class Option(NamedTuple):
    """One option: its flag, its environment variable and its help.

    Attributes:
        read: turns the text of the flag or variable into the value of the field; see `readers`.
        default_text: the default as documented; empty when it is the value itself.
        separator: set for an option that takes several values. The flag may then be repeated, and the
            variable holds the values with the separator between them.
        switch: True for a flag without a value.
        bare: the text that the flag stands for when it is given without a value, if that is possible.
    """

    flag: str
    metavar: str
    help: str
    read: Callable[[str], Any]
    default_text: str = ""
    separator: str | None = None
    switch: bool = False
    bare: str | None = None

    @property
    def name(self) -> str:
        """The flag without dashes, which is also the name in a keys file: ``training-key``."""
        return self.flag.removeprefix("--")

    @property
    def variable(self) -> str:
        """The environment variable of the same option."""
        return ENVIRONMENT_PREFIX + self.name.upper().replace("-", "_")


def option(default: Any, flag: str, metavar: str, help: str, read: Callable[[str], Any], **more: Any) -> Any:
    """Declare a field of a settings class; a callable `default` is called for each new instance."""
    described = Option(flag, metavar, help, read, **more)
    if callable(default):
        return field(default_factory=default, metadata={"option": described})
    return field(default=default, metadata={"option": described})


def url_fetch_option() -> Any:
    """The option of all servers for the image URLs that may be fetched."""
    return option(
        "public",
        "--url-fetch",
        "MODE",
        "Image URLs that may be fetched: public (no private or local address), any, or off.",
        one_of(*URL_FETCH_MODES),
    )


def url_allow_option() -> Any:
    """The option of all servers that allows single private hosts and networks."""
    return option(
        (),
        "--url-allow",
        "HOST",
        "Private host, host:port or network that may be fetched from; repeatable.",
        read_allowed_host,
        separator=",",
        default_text="none",
    )


def cors_origin_option() -> Any:
    """The option of all servers for the web pages that may use them."""
    return option(
        (),
        "--cors-origin",
        "ORIGIN",
        "Origin of web pages that may use the emulator, besides this machine's; * for all; repeatable.",
        read_origin,
        separator=",",
        default_text="none",
    )


def trusted_proxy_option() -> Any:
    """The option of all servers for the reverse proxies in front of them."""
    return option(
        (),
        "--trusted-proxy",
        "ADDRESS",
        "Proxy (address or network) whose X-Forwarded headers count, besides this machine; repeatable.",
        read_network,
        separator=",",
        default_text="none",
    )


def allowed_host_option() -> Any:
    """The option of all servers for the names that web pages and other programs may reach them by."""
    return option(
        (),
        "--allowed-host",
        "NAME",
        "Host name that requests may be for, besides this machine's; *.NAME, or * for all; repeatable.",
        read_host_name,
        separator=",",
        default_text="none",
    )


def log_level_option() -> Any:
    """The option of all servers for the level of the log."""
    return option(
        "warning",
        "--log-level",
        "LEVEL",
        f"Lowest level that is logged: {', '.join(LOG_LEVELS)}.",
        one_of(*LOG_LEVELS),
    )


def options(of: type) -> dict[str, Option]:
    """The options of a settings class by the names of their fields, in the order of the fields."""
    return {described.name: _option_of(described) for described in fields(of)}


def load_options(
    of: type,
    flags: Mapping[str, str | bool | Sequence[str] | None],
    environment: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The values of a settings class's fields that flags or environment variables give.

    A flag takes precedence over a variable. An empty variable counts as not set.

    Args:
        flags: values from the command line by field name: a text, a list of texts for an option with a
            separator, or a boolean for a switch. None and a missing name mean that the flag was not given.
        environment: `os.environ` by default.

    Raises:
        SettingError: for the first value that is not allowed.
    """
    environment = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    for name, described in options(of).items():
        given = flags.get(name)
        if given is None and environment.get(described.variable):
            values[name] = _read(described, described.variable, environment[described.variable])
        elif given is not None:
            values[name] = _read(described, described.flag, given)
    return values


def read_keys_file(
    path: Path, fields_by_name: Mapping[str, str], *, flag: str = "--keys-file"
) -> dict[str, tuple[str, str]]:
    """The keys in a file of ``training-key=KEY[,KEY]`` and ``prediction-key=KEY[,KEY]`` lines.

    Empty lines and lines that start with ``#`` are skipped.

    Args:
        fields_by_name: the fields that the names in the file stand for.
        flag: the option that names the file, for messages.

    Raises:
        SettingError: the file cannot be read or has no key, a line is malformed, or two have the same name;
            the message never quotes a key.
    """
    keys: dict[str, tuple[str, str]] = {}
    for number, line in enumerate(read_secret_file(path, flag=flag).splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        field_name = fields_by_name.get(name.strip())
        if not equals or field_name is None:
            raise SettingError(
                f"{flag}: {str(path)!r}, line {number}: must be training-key=KEY[,KEY]"
                " or prediction-key=KEY[,KEY]"
            )
        if field_name in keys:
            raise SettingError(
                f"{flag}: {str(path)!r}, line {number}: there is a line {name.strip()} already; give both "
                "as KEY,KEY"
            )
        try:
            keys[field_name] = read_keys(value.strip())
        except ValueError as error:
            raise SettingError(f"{flag}: {str(path)!r}, line {number}: {error}") from None
    if not keys:
        raise SettingError(f"{flag}: {str(path)!r} has no key")
    return keys


def read_secret_file(path: Path, *, flag: str) -> str:
    """The text of a file or a pipe with keys, in UTF-8, of at most 4 KB.

    flag: the option that names the file, for messages.

    Raises:
        SettingError: it cannot be read, is longer, or is a device.
    """
    try:
        mode = path.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise SettingError(f"{flag}: {str(path)!r} is no file")
        with path.open("rb") as file:
            content = file.read(_SECRET_BYTES + 1)
        if len(content) > _SECRET_BYTES:
            raise SettingError(f"{flag}: {str(path)!r} has more than {_SECRET_BYTES} bytes")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise SettingError(f"{flag}: cannot read {str(path)!r}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingError(f"{flag}: {str(path)!r} is not text in UTF-8") from None


def _option_of(declared: Field[Any]) -> Option:
    described = declared.metadata["option"]
    assert isinstance(described, Option)
    return described


def _read(described: Option, source: str, given: str | bool | Sequence[str]) -> Any:
    if isinstance(given, bool):
        return given
    if described.separator is None:
        assert isinstance(given, str)
        return _read_one(described, source, given)
    texts = given.split(described.separator) if isinstance(given, str) else given
    return tuple(_read_one(described, source, text.strip()) for text in texts)


def _read_one(described: Option, source: str, text: str) -> Any:
    try:
        return described.read(text)
    except ValueError as error:
        # A refused key or password may still be a secret, and standard error ends up in logs.
        shown = "" if described.read in (read_keys, read_database) else f"{text[:200]!r} "
        raise SettingError(f"{source}: {shown}{error}") from None
