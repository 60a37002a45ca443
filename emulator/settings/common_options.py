"""The options that all servers of one database should have with the same values."""

import hashlib
import hmac

from emulator import __version__
from emulator.settings.option_fields import options
from emulator.settings.settings import Settings

# Names of fields.
COMMON = (
    "multi_service",
    "entra",
    "role_assignments",
    "prediction_resource_id",
    "url_fetch",
    "url_allow",
    "tier",
    "max_body_mb",
    "prediction_days",
    "most_predictions",
    "image_uri_hours",
    "trainer",
    "training_hour",
    "quick_training_seconds",
    "seed",
    "number_format",
    "cluster",
)
_KEYS = ("training_keys", "prediction_keys")


def common_options(settings: Settings, secret: bytes) -> dict[str, str]:
    """Texts by flag, and that of the version. Keys are hashes with a secret that all servers have."""
    described = options(Settings)
    found = {described[name].flag: str(getattr(settings, name)) for name in COMMON}
    for name in _KEYS:
        keys = "\n".join(sorted({*getattr(settings, name)}))
        found[described[name].flag] = hmac.new(secret, keys.encode(), hashlib.sha256).hexdigest()
    return {**found, "version": __version__}
