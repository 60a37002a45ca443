"""Every option of the emulator, once: flag, environment variable, default, help and check.

`Settings` is what the rest of the program reads. The command line makes its flags from the fields declared
here (`options`), and a test holds `docs/options.md` to them. A value that does not pass its check is a
`SettingError`, whose message names the flag or variable at fault and what is allowed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

ENVIRONMENT_PREFIX = "CUSTOM_VISION_EMULATOR_"
DEFAULT_PORT = 10010

# Well known, so that nobody has to configure anything on their own machine, and nobody takes them for
# a secret. Azure gives every resource two keys, so that one can be changed while the other is in use.
DEFAULT_TRAINING_KEYS = ("11111111111111111111111111111111", "22222222222222222222222222222222")
DEFAULT_PREDICTION_KEYS = ("33333333333333333333333333333333", "44444444444444444444444444444444")
DEFAULT_PREDICTION_RESOURCE_ID = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/custom-vision-emulator"
    "/providers/Microsoft.CognitiveServices/accounts/prediction"
)

LOG_LEVELS = ("critical", "error", "warning", "info", "debug")
UrlFetchMode = Literal["public", "any", "off"]
URL_FETCH_MODES = get_args(UrlFetchMode)
TIERS = ("unlimited", "s0", "f0")
LONGEST_KEY = 512


class StartRefused(Exception):
    """The emulator cannot start; the message is one line for the person who started it."""


class CommandFailed(Exception):
    """A command could not do its work; the message is one line."""


class SettingError(StartRefused):
    """A value that an option refuses; the message names the flag or variable and what is allowed."""


@dataclass(frozen=True)
class Option:
    """How a field of `Settings` is given from outside.

    `read` turns the text of a flag or variable into the value of the field and raises `ValueError` with
    the end of a sentence that starts with the text ("is not ..."). `separator` is set for an option that
    takes several values: the flag may then be repeated, and the variable holds the values separated by it.
    """

    flag: str
    metavar: str
    help: str
    read: Callable[[str], Any]
    default_text: str = ""
    separator: str | None = None
    switch: bool = False

    @property
    def name(self) -> str:
        """The name on the command line without dashes, and in a keys file: ``training-key``."""
        return self.flag.removeprefix("--")

    @property
    def variable(self) -> str:
        """The environment variable that does what the flag does."""
        return ENVIRONMENT_PREFIX + self.name.upper().replace("-", "_")


def whole_number(lowest: int, highest: int) -> Callable[[str], int]:
    """A reader of whole numbers from `lowest` to `highest`, both included."""

    def read(text: str) -> int:
        # int() also takes "1_000", " 5 " and digits of other scripts: likely slips.
        if not (text.isascii() and text.isdigit() and len(text) < 20 and lowest <= int(text) <= highest):
            raise ValueError(f"is not a whole number from {lowest} to {highest}")
        return int(text)

    return read


def one_of(*allowed: str) -> Callable[[str], str]:
    """A reader that takes one of a few words."""

    def read(text: str) -> str:
        if text.lower() not in allowed:
            raise ValueError(f"is not one of: {', '.join(allowed)}")
        return text.lower()

    return read


def read_boolean(text: str) -> bool:
    """On or off, as environment variables spell it."""
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off"):
        return False
    raise ValueError("is neither on (1, true, yes, on) nor off (0, false, no, off)")


def read_host(text: str) -> str:
    """An address or a name to listen on; brackets around an IPv6 address are taken off."""
    host = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if not host or any(character.isspace() or character in "/@[]" for character in host):
        raise ValueError("is not a host name or an IP address (127.0.0.1, 0.0.0.0, ::1, localhost)")
    return host


def read_path(text: str) -> Path:
    """A path, made absolute, so that it stays the same; a ``~`` at its start is the home folder."""
    if not text or "\0" in text:
        raise ValueError("is not a path")
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        raise ValueError("names a home folder that does not exist") from None


def read_public_url(text: str) -> str:
    """The base of a URL, without a slash at its end."""
    problem = "is not the base of a URL (http://host:port or https://host/path, without query or fragment)"
    try:
        parts = urlsplit(text)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        raise ValueError(problem) from None
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or not port_is_fine
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
        or not text.isascii()
        or any(character.isspace() or not character.isprintable() for character in text)
    ):
        raise ValueError(problem)
    return text.rstrip("/")


def read_keys(text: str) -> tuple[str, str]:
    """One or two keys separated by a comma; one stands for both."""
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
    """The id of a Cognitive Services account in Azure Resource Manager's form."""
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
    """A host, ``host:port`` or network in CIDR form."""
    import ipaddress

    problem = "is not a host, host:port or network (files.example, 10.0.0.7:8080, 192.168.0.0/16)"
    try:
        if "/" in text:
            ipaddress.ip_network(text)
        elif text.count(":") > 1 and not text.startswith("["):
            ipaddress.ip_address(text)
        else:
            parts = urlsplit("//" + text)
            plain = parts.netloc == text and text.isprintable() and not {" ", "@"} & set(text)
            if not plain or not parts.hostname or parts.port == 0:
                raise ValueError(problem)
    except ValueError:
        raise ValueError(problem) from None
    return text.lower()


def read_url_mapping(text: str) -> tuple[str, Path]:
    """``https://host/path=FOLDER``: URLs that start so are read from the folder instead of the network."""
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


def option(default: Any, flag: str, metavar: str, help: str, read: Callable[[str], Any], **more: Any) -> Any:
    """A field of `Settings`; a default that is a function is called for every new `Settings`."""
    described = Option(flag, metavar, help, read, **more)
    if callable(default):
        return field(default_factory=default, metadata={"option": described})
    return field(default=default, metadata={"option": described})


def url_fetch_option() -> Any:
    """Which image URLs are fetched: an option of every server of this program, as the next one."""
    return option(
        "public",
        "--url-fetch",
        "MODE",
        "Image URLs that may be fetched: public (no private or local address), any, or off.",
        one_of(*URL_FETCH_MODES),
    )


def url_allow_option() -> Any:
    return option(
        (),
        "--url-allow",
        "HOST",
        "Host, host:port or network that may be fetched from although it is private; repeatable.",
        read_allowed_host,
        separator=",",
        default_text="none",
    )


def default_data_folder() -> Path:
    """Where programs of this user keep their data on this system."""
    import platformdirs

    return platformdirs.user_data_path("custom-vision-emulator", appauthor=False)


@dataclass(frozen=True)
class Settings:
    """What the emulator was told to do. Made by `load_settings`, or directly in programs and tests."""

    # fmt: off
    host: str = option("127.0.0.1", "--host", "ADDRESS", "Address to listen on.", read_host)
    port: int = option(
        DEFAULT_PORT, "--port", "NUMBER", "Port to listen on; 0 takes any free one.", whole_number(0, 65535))
    data: Path = option(
        default_data_folder, "--data", "FOLDER", "Folder that holds all state.",
        read_path, default_text="the user's data folder")
    ephemeral: bool = option(
        False, "--ephemeral", "", "Keep the state in a temporary folder instead, removed at the end.",
        read_boolean, switch=True)
    public_url: str | None = option(
        None, "--public-url", "URL", "Base of the image URIs handed out, behind a proxy or in a container.",
        read_public_url, default_text="the address that a request was sent to")
    training_keys: tuple[str, str] = option(
        DEFAULT_TRAINING_KEYS, "--training-key", "KEY[,KEY]", "One or two keys of the training resource.",
        read_keys, default_text="well-known keys")
    prediction_keys: tuple[str, str] = option(
        DEFAULT_PREDICTION_KEYS, "--prediction-key", "KEY[,KEY]",
        "One or two keys of the prediction resource.",
        read_keys, default_text="well-known keys")
    keys_file: Path | None = option(
        None, "--keys-file", "FILE", "File with lines training-key=KEY[,KEY] and prediction-key=KEY[,KEY].",
        read_path, default_text="none")
    prediction_resource_id: str = option(
        DEFAULT_PREDICTION_RESOURCE_ID, "--prediction-resource-id", "ID",
        "Id of the prediction resource, as given when publishing.",
        read_resource_id, default_text="a well-known id")
    url_fetch: UrlFetchMode = url_fetch_option()
    url_allow: tuple[str, ...] = url_allow_option()
    url_map: tuple[tuple[str, Path], ...] = option(
        (), "--url-map", "URL=FOLDER", "Read URLs that start so from a folder, not the network; repeatable.",
        read_url_mapping, separator="|", default_text="none")
    tier: Literal["unlimited", "s0", "f0"] = option(
        "unlimited", "--tier", "TIER",
        f"Pricing tier whose quotas and call rates hold: {', '.join(TIERS)}.", one_of(*TIERS))
    max_body_mb: int = option(
        550, "--max-body-mb", "NUMBER", "Largest request body, in megabytes (2^20 bytes).",
        whole_number(1, 4096))
    image_uri_hours: int = option(
        24, "--image-uri-hours", "NUMBER", "How long an image URI that was handed out can be used.",
        whole_number(1, 87600))
    training_hour: int = option(
        3600, "--training-hour", "SECONDS",
        "Seconds that an hour of an advanced training's budget lasts.", whole_number(1, 3600))
    seed: int = option(
        0, "--seed", "NUMBER", "Seed of everything random in training.", whole_number(0, 2**32 - 1))
    log_level: str = option(
        "warning", "--log-level", "LEVEL", f"Least that standard error is told: {', '.join(LOG_LEVELS)}.",
        one_of(*LOG_LEVELS))
    quiet: bool = option(
        False, "--quiet", "", "Print one line at the start instead of keys and examples.",
        read_boolean, switch=True)
    # fmt: on

    @property
    def uses_default_keys(self) -> bool:
        """True when a well-known key opens one of the two resources."""
        well_known = {*DEFAULT_TRAINING_KEYS, *DEFAULT_PREDICTION_KEYS}
        return not well_known.isdisjoint({*self.training_keys, *self.prediction_keys})

    def training_endpoint(self, port: int | None = None) -> str:
        """The endpoint of training and prediction, for a program on this machine.

        `port` is the one that was bound, where the option says 0.
        """
        if self.public_url is not None:
            return self.public_url
        # Nobody can connect to the address that stands for "all addresses".
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port if port is None else port}"


def options(of: type = Settings) -> dict[str, Option]:
    """The option of each field, by the field's name and in the order of the fields.

    of: `Settings`, or another dataclass whose fields are made by `option`.
    """
    return {described.name: _option_of(described) for described in fields(of)}


def load_settings(
    flags: Mapping[str, str | bool | Sequence[str] | None] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Settings from flags, then environment variables, then the keys file, then the defaults.

    `flags` is as for `load_options`. Raises `SettingError` for the first value that is not allowed.
    """
    values = load_options(Settings, {} if flags is None else flags, environment)
    keys_file = values.get("keys_file")
    if keys_file is not None:
        values = {**read_keys_file(keys_file), **values}
    return replace(Settings(), **values)


def load_options(
    of: type,
    flags: Mapping[str, str | bool | Sequence[str] | None],
    environment: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The values that are given for fields of `of`, by flags or else by environment variables.

    `flags` maps names of fields to what stood on the command line: text, a list of texts for an option that
    takes several, True or False for a switch, and None or nothing where the flag was not given. An empty
    variable counts as not set. Raises `SettingError` for the first value that is not allowed.
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


def read_keys_file(path: Path) -> dict[str, tuple[str, str]]:
    """The keys in a file of ``training-key=KEY[,KEY]`` and ``prediction-key=KEY[,KEY]`` lines.

    Empty lines and lines that start with ``#`` are skipped. Raises `SettingError`, which never quotes a key.
    """
    described = options()
    fields_by_name = {described[name].name: name for name in ("training_keys", "prediction_keys")}
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SettingError(f"--keys-file: cannot read {str(path)!r}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingError(f"--keys-file: {str(path)!r} is not text in UTF-8") from None
    keys: dict[str, tuple[str, str]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        field_name = fields_by_name.get(name.strip())
        if not equals or field_name is None:
            raise SettingError(
                f"--keys-file: {str(path)!r}, line {number}: must be training-key=KEY[,KEY]"
                " or prediction-key=KEY[,KEY]"
            )
        try:
            keys[field_name] = read_keys(value.strip())
        except ValueError as error:
            raise SettingError(f"--keys-file: {str(path)!r}, line {number}: {error}") from None
    return keys


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
        # A key that is wrong is still somebody's secret, and standard error ends up in logs.
        shown = "" if described.read is read_keys else f"{text[:200]!r} "
        raise SettingError(f"{source}: {shown}{error}") from None
