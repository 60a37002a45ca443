"""The options of the server for one exported model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from emulator.core.errors import ServiceError
from emulator.core.rules.validation import checked_path_name
from emulator.settings.https import (
    HttpsMode,
    certificate_key_option,
    certificate_option,
    https_authority_option,
    https_option,
    https_port_option,
)
from emulator.settings.option_fields import (
    UrlFetchMode,
    allowed_host_option,
    cors_origin_option,
    log_level_option,
    option,
    trusted_proxy_option,
    url_allow_option,
    url_fetch_option,
)
from emulator.settings.readers import read_host, read_keys, read_path, whole_number
from emulator.vision.exported.input_choices import NO_CHOICES, InputChoices, read_choices

DEFAULT_PORT = 10020


def read_model_name(text: str) -> str:
    """A published name, without surrounding blanks."""
    try:
        return checked_path_name(text, "BadRequestInvalidPublishName", "model")
    except ServiceError as error:
        raise ValueError(f"is no name of a published model. {error.message}") from None


@dataclass(frozen=True)
class ServingSettings:
    """The options of the server; the values come from `emulator.settings.option_fields.load_options`."""

    # fmt: off
    model: Path = option(
        Path("model.zip"), "--model", "FILE", "The export: a zip, or a folder with its content.", read_path)
    host: str = option("127.0.0.1", "--host", "ADDRESS", "Address to listen on.", read_host)
    port: int = option(
        DEFAULT_PORT, "--port", "NUMBER", "Port to listen on; 0 takes any free one.", whole_number(0, 65535))
    keys: tuple[str, str] | None = option(
        None, "--key", "KEY[,KEY]", "One or two keys, of which every request must carry one.",
        read_keys, default_text="no key is required")
    model_name: str | None = option(
        None, "--model-name", "NAME", "The one published name that the prediction API accepts.",
        read_model_name, default_text="any name")
    preprocessing: InputChoices = option(
        NO_CHOICES, "--preprocessing", "NAME=VALUE[,...]",
        "Preprocessing instead of what the export says, such as channels=bgr,range=0-1.",
        read_choices, default_text="as the export says")
    url_fetch: UrlFetchMode = url_fetch_option()
    url_allow: tuple[str, ...] = url_allow_option()
    cors_origins: tuple[str, ...] = cors_origin_option()
    https: HttpsMode = https_option()
    https_port: int | None = https_port_option()
    https_authority: Path | None = https_authority_option()
    certificate: Path | None = certificate_option()
    certificate_key: Path | None = certificate_key_option()
    trusted_proxies: tuple[str, ...] = trusted_proxy_option()
    allowed_hosts: tuple[str, ...] = allowed_host_option()
    log_level: str = log_level_option()
    # fmt: on
