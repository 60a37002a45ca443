"""Every option of the emulator, once: flag, environment variable, default, help and reader.

The fields of `Settings` declare the options. The command line makes its flags from them, and a test compares
`docs/options.md` with them. A value that an option refuses is a `SettingError`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from emulator.settings.errors import SettingError
from emulator.settings.https import (
    HttpsMode,
    authority_folder,
    certificate_key_option,
    certificate_option,
    https_authority_option,
    https_option,
    https_port_option,
    local_endpoint,
)
from emulator.settings.option_fields import (
    UrlFetchMode,
    allowed_host_option,
    cors_origin_option,
    load_options,
    log_level_option,
    option,
    options,
    read_keys_file,
    trusted_proxy_option,
    url_allow_option,
    url_fetch_option,
)
from emulator.settings.readers import (
    SAME_FOLDER,
    one_of,
    read_blobs,
    read_boolean,
    read_cluster,
    read_database,
    read_folder_or_same,
    read_host,
    read_keys,
    read_path,
    read_public_url,
    read_resource_id,
    read_role_assignment,
    read_upstream,
    read_url_mapping,
    whole_number,
)

DEFAULT_PORT = 10010

# Well known, so that a local emulator needs no configuration and they are not mistaken for secrets. A
# resource in Azure has two keys, so that one can be regenerated while the other is in use.
DEFAULT_TRAINING_KEYS = ("11111111111111111111111111111111", "22222222222222222222222222222222")
DEFAULT_PREDICTION_KEYS = ("33333333333333333333333333333333", "44444444444444444444444444444444")
DEFAULT_PREDICTION_RESOURCE_ID = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/custom-vision-emulator"
    "/providers/Microsoft.CognitiveServices/accounts/prediction"
)

TIERS = ("unlimited", "s0", "f0")
ENTRA_MODES = ("off", "basic")
TRAINERS = ("real", "instant")
UPSTREAM_MODES = ("local", "shadow", "record", "replay")
LOG_FORMATS = ("text", "json")
NUMBER_FORMATS = ("measured", "float32", "bfloat16")


# The defaults of options that a profile changes, by the names of their fields.
PROFILES: dict[str, dict[str, Any]] = {
    "desk": {},
    "factory": {
        "least_free_mb": 2048,
        "most_predictions": 100_000,
        "metrics": True,
        "log_level": "info",
        "log_format": "json",
    },
    "team": {
        "least_free_mb": 2048,
        "metrics": True,
        "log_level": "info",
        "log_format": "json",
    },
}


# In the data folder.
LOG_FOLDER = "logs"


def default_data_folder() -> Path:
    """The operating system's folder for application data of the current user."""
    import platformdirs  # here, for a fast start: most commands and tests name a folder

    return platformdirs.user_data_path("custom-vision-emulator", appauthor=False)


@dataclass(frozen=True)
class Settings:
    """The options of the emulator. Made by `load_settings`, or directly in programs and tests."""

    # fmt: off
    profile: Literal["desk", "factory", "team"] = option(
        "desk", "--profile", "NAME",
        "Defaults of other options: desk, factory (a server that runs for months), team (several servers).",
        one_of(*PROFILES))
    host: str = option("127.0.0.1", "--host", "ADDRESS", "Address to listen on.", read_host)
    port: int = option(
        DEFAULT_PORT, "--port", "NUMBER", "Port to listen on; 0 takes any free one.", whole_number(0, 65535))
    data: Path = option(
        default_data_folder, "--data", "FOLDER", "Folder that holds all state.",
        read_path, default_text="the user's data folder")
    database: str | None = option(
        None, "--database", "URL",
        "PostgreSQL database (postgresql://...) for the rows; --blobs is for images and models.",
        read_database, default_text="in the data folder")
    blobs: str | None = option(
        None, "--blobs", "URL",
        "Object store (s3://, az:// or file://) for images and models, with --database.",
        read_blobs, default_text="in the data folder")
    cluster: str | None = option(
        None, "--cluster", "URL",
        "Scheduler of a Dask cluster (tcp://host:8786) that carries out trainings and exports.",
        read_cluster, default_text="on this machine")
    cluster_jobs: int = option(
        16, "--cluster-jobs", "NUMBER",
        "Most jobs that the cluster gets at a time, of trainings, of advanced trainings, and of exports.",
        whole_number(1, 256))
    ephemeral: bool = option(
        False, "--ephemeral", "", "Keep the state in a temporary folder, which is removed at the end.",
        read_boolean, switch=True)
    accept_data_loss: bool = option(
        False, "--accept-data-loss", "",
        "Start although the database is damaged or rows are missing; for one start, without what is lost.",
        read_boolean, switch=True)
    seed_data: Path | None = option(
        None, "--seed-data", "PATH",
        "Images, projects or a snapshot that a data folder without projects begins with.",
        read_path, default_text="none")
    import_folder: Path | None = option(
        None, "--import", "FOLDER", "Exported state to begin with; the data folder must have no projects.",
        read_path, default_text="none")
    export_on_exit: Path | None = option(
        None, "--export-on-exit", "[FOLDER]",
        "Export the state to a folder at the end; by default to that of --import.",
        read_folder_or_same, default_text="no export", bare="on")
    public_url: str | None = option(
        None, "--public-url", "URL", "Base of image URIs in responses, behind a proxy or in a container.",
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
    multi_service: bool = option(
        False, "--multi-service", "",
        "Accept every key for both APIs, like a multi-service resource in Azure.",
        read_boolean, switch=True)
    entra: Literal["off", "basic"] = option(
        "off", "--entra", "MODE",
        "Access tokens of Microsoft Entra: off, or basic (any unexpired one for Azure's audience).",
        one_of(*ENTRA_MODES))
    role_assignments: tuple[tuple[str, str], ...] = option(
        (), "--role-assignment", "NAME=ROLE",
        "Role of a principal (Contributor, Trainer, Labeler, Deployment, Reader); * for all; repeatable.",
        read_role_assignment, separator=",", default_text="full access of all")
    prediction_resource_id: str = option(
        DEFAULT_PREDICTION_RESOURCE_ID, "--prediction-resource-id", "ID",
        "Id of the prediction resource, as given when publishing.",
        read_resource_id, default_text="a well-known id")
    url_fetch: UrlFetchMode = url_fetch_option()
    url_allow: tuple[str, ...] = url_allow_option()
    url_map: tuple[tuple[str, Path], ...] = option(
        (), "--url-map", "URL=FOLDER",
        "Read URLs with this prefix from a folder, not the network; repeatable.",
        read_url_mapping, separator="|", default_text="none")
    upstream: str | None = option(
        None, "--upstream", "URL",
        "Endpoint of a resource to forward calls to, such as https://NAME.cognitiveservices.azure.com.",
        read_upstream, default_text="none")
    upstream_mode: Literal["local", "shadow", "record", "replay"] = option(
        "local", "--upstream-mode", "MODE",
        "Who answers: the emulator (local), the upstream, whose responses are compared (shadow) or kept "
        "(record), or kept responses (replay).",
        one_of(*UPSTREAM_MODES))
    allow_upstream_writes: bool = option(
        False, "--allow-upstream-writes", "",
        "Forward calls that change something at the upstream, too.", read_boolean, switch=True)
    cors_origins: tuple[str, ...] = cors_origin_option()
    https: HttpsMode = https_option()
    https_port: int | None = https_port_option()
    https_authority: Path | None = https_authority_option()
    certificate: Path | None = certificate_option()
    certificate_key: Path | None = certificate_key_option()
    trusted_proxies: tuple[str, ...] = trusted_proxy_option()
    allowed_hosts: tuple[str, ...] = allowed_host_option()
    tier: Literal["unlimited", "s0", "f0"] = option(
        "unlimited", "--tier", "TIER",
        f"Pricing tier whose quotas and call rates apply: {', '.join(TIERS)}.", one_of(*TIERS))
    max_body_mb: int = option(
        550, "--max-body-mb", "NUMBER", "Largest request body, in megabytes (2^20 bytes).",
        whole_number(1, 4096))
    prediction_days: int = option(
        30, "--prediction-days", "NUMBER", "Days after which stored predictions are deleted.",
        whole_number(1, 36500))
    most_predictions: int = option(
        0, "--most-predictions", "NUMBER",
        "Largest number of stored predictions, beyond which the oldest are deleted; 0 for no limit.",
        whole_number(0, 1_000_000_000))
    least_free_mb: int = option(
        0, "--least-free-mb", "NUMBER",
        "Free disk space (megabytes) below which uploads are refused; 0 for no check.",
        whole_number(0, 10_000_000))
    image_uri_hours: int = option(
        24, "--image-uri-hours", "NUMBER", "Hours for which an image URI is valid.",
        whole_number(1, 87600))
    trainer: Literal["real", "instant"] = option(
        "real", "--trainer", "TRAINER",
        f"What makes models: {', '.join(TRAINERS)} (in milliseconds, for tests).", one_of(*TRAINERS))
    training_hour: int = option(
        3600, "--training-hour", "SECONDS",
        "Length of one hour of an advanced training's budget, in seconds.", whole_number(1, 3600))
    quick_training_seconds: int = option(
        90, "--quick-training-seconds", "SECONDS",
        "Longest regular training of a classifier, on two processors; 0: without training layers.",
        whole_number(0, 3600))
    seed: int = option(
        0, "--seed", "NUMBER", "Seed of the random numbers in training.", whole_number(0, 2**32 - 1))
    number_format: Literal["measured", "float32", "bfloat16"] = option(
        "measured", "--number-format", "FORMAT",
        "Numbers in training on the processor: measured (the faster ones), float32 or bfloat16.",
        one_of(*NUMBER_FORMATS))
    id_seed: int | None = option(
        None, "--id-seed", "NUMBER", "Seed of ids: the same requests get the same ids in each run.",
        whole_number(0, 2**32 - 1), default_text="random ids")
    log_level: str = log_level_option()
    log_format: Literal["text", "json"] = option(
        "text", "--log-format", "FORMAT",
        f"Form of the lines of the log: {', '.join(LOG_FORMATS)} (with the id of the request).",
        one_of(*LOG_FORMATS))
    log_file: Path | None = option(
        None, "--log-file", "FILE", "Log to a file, too; it is rotated, and nine older ones are kept.",
        read_path, default_text="none")
    log_file_mb: int = option(
        10, "--log-file-mb", "NUMBER", "Largest size of a log file, in megabytes.", whole_number(1, 10_000))
    access_log: bool = option(
        False, "--access-log", "", "Log every request, without keys.",
        read_boolean, switch=True)
    request_log: int = option(
        1000, "--request-log", "NUMBER", "Requests that the request log keeps in memory; 0 for none.",
        whole_number(0, 100_000))
    metrics: bool = option(
        False, "--metrics", "",
        "Serve metrics for Prometheus at /metrics, without a key.",
        read_boolean, switch=True)
    metrics_otlp: bool = option(
        False, "--metrics-otlp", "",
        "Send the metrics by OpenTelemetry to a collector, as the variables OTEL_* say.",
        read_boolean, switch=True)
    traces: bool = option(
        False, "--traces", "",
        "Send traces by OpenTelemetry to a collector, as the variables OTEL_* say.",
        read_boolean, switch=True)
    strict: bool = option(
        False, "--strict", "",
        "Report each departure of requests and responses from the documents of the APIs.",
        read_boolean, switch=True)
    open_portal: bool = option(
        False, "--open", "", "Open the portal in a browser at the start of serve, signed in.",
        read_boolean, switch=True)
    quiet: bool = option(
        False, "--quiet", "", "Print one line at the start instead of keys and examples.",
        read_boolean, switch=True)
    # fmt: on

    @property
    def export_folder(self) -> Path | None:
        """The folder to which the state is exported at the end. Raises SettingError."""
        if self.export_on_exit != SAME_FOLDER:
            return self.export_on_exit
        if self.import_folder is None:
            raise SettingError("--export-on-exit: give a folder, since there is no --import")
        return self.import_folder

    @property
    def uses_default_keys(self) -> bool:
        """True when one of the four keys is a well-known one."""
        well_known = {*DEFAULT_TRAINING_KEYS, *DEFAULT_PREDICTION_KEYS}
        return not well_known.isdisjoint({*self.training_keys, *self.prediction_keys})

    @property
    def accepts_public_credentials(self) -> bool:
        """True when anybody knows a key, or can create a token that is accepted."""
        return self.uses_default_keys or self.entra != "off"

    def training_endpoint(self, port: int | None = None) -> str:
        """The endpoint of training and prediction, for clients on this machine.

        Args:
            port: the port that the server listens on; needed when the option is 0.
        """
        if self.public_url is not None:
            return self.public_url
        return local_endpoint(self, self.port if port is None else port)

    @property
    def authority_folder(self) -> Path:
        """The folder of the certificate authority of ``--https auto``."""
        return authority_folder(self, default_data_folder if self.ephemeral else lambda: self.data)


def load_settings(
    flags: Mapping[str, str | bool | Sequence[str] | None] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Settings from flags, environment, keys file, profile and defaults; earlier ones take precedence.

    Args:
        flags: as for `load_options`.
        environment: `os.environ` by default.

    Raises:
        SettingError: for the first value that is not allowed.
    """
    values = load_options(Settings, {} if flags is None else flags, environment)
    keys_file = values.get("keys_file")
    if keys_file is not None:
        described = options(Settings)
        fields_by_name = {described[field].name: field for field in ("training_keys", "prediction_keys")}
        values = {**read_keys_file(keys_file, fields_by_name), **values}
    settings = replace(Settings(), **{**PROFILES[values.get("profile", "desk")], **values})
    if settings.profile == "factory" and "log_file" not in values and not settings.ephemeral:
        settings = replace(settings, log_file=settings.data / LOG_FOLDER / "emulator.log")
    if settings.profile == "team":
        _check_team(settings)
    _ = settings.export_folder  # raises SettingError
    return settings


def _check_team(settings: Settings) -> None:
    """Raises SettingError."""
    described = options(Settings)
    missing = [described[name] for name in ("database", "blobs") if getattr(settings, name) is None]
    if missing:
        names = " and ".join(f"{one.flag} (or {one.variable})" for one in missing)
        raise SettingError(f"--profile: team needs {names}: servers share their rows, images and models")
    if settings.ephemeral:
        raise SettingError("--profile: team cannot be used with --ephemeral")
