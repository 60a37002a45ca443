"""The environment variables that programs of the service read, with the values of a running emulator."""

from __future__ import annotations

from emulator.settings.errors import SettingError
from emulator.settings.https import trust_variables
from emulator.settings.settings import Settings

NO_PORT = "--port: 0 does not say where the emulator is; give the port that it printed at its start"


def quickstart_variables(settings: Settings) -> dict[str, str]:
    """The variables that Microsoft's quickstarts read, by name. Raises SettingError without a port.

    With ``--https auto``, they include those by which clients trust its certificate.
    """
    if settings.port == 0 and settings.public_url is None:
        raise SettingError(NO_PORT)
    endpoint = settings.training_endpoint()
    return {
        "VISION_TRAINING_ENDPOINT": endpoint,
        "VISION_TRAINING_KEY": settings.training_keys[0],
        "VISION_PREDICTION_ENDPOINT": endpoint,
        "VISION_PREDICTION_KEY": settings.prediction_keys[0],
        "VISION_PREDICTION_RESOURCE_ID": settings.prediction_resource_id,
        **(trust_variables(settings.authority_folder) if settings.https == "auto" else {}),
    }


def program_variables(settings: Settings) -> dict[str, str]:
    """The variables of the quickstarts, of Microsoft's samples and of the emulator's own commands.

    Raises:
        SettingError: without a port.
    """
    training_key, prediction_key = settings.training_keys[0], settings.prediction_keys[0]
    https = {
        "CUSTOM_VISION_EMULATOR_HTTPS": settings.https,
        "CUSTOM_VISION_EMULATOR_HTTPS_AUTHORITY": str(settings.authority_folder),
        "CUSTOM_VISION_EMULATOR_HTTPS_PORT": "" if settings.https_port is None else str(settings.https_port),
    }
    return {
        **quickstart_variables(settings),
        # Microsoft's samples for .NET, for Python and for Java.
        "CUSTOM_VISION_TRAINING_KEY": training_key,
        "CUSTOM_VISION_PREDICTION_KEY": prediction_key,
        "CUSTOMVISION_TRAINING_KEY": training_key,
        "CUSTOMVISION_PREDICTION_KEY": prediction_key,
        "CUSTOMVISION_PREDICTION_ID": settings.prediction_resource_id,
        "AZURE_CUSTOMVISION_TRAINING_API_KEY": training_key,
        "AZURE_CUSTOMVISION_PREDICTION_API_KEY": prediction_key,
        # The emulator's own commands, such as `reset`.
        "CUSTOM_VISION_EMULATOR_HOST": settings.host,
        "CUSTOM_VISION_EMULATOR_PORT": str(settings.port),
        "CUSTOM_VISION_EMULATOR_TRAINING_KEY": ",".join(settings.training_keys),
        "CUSTOM_VISION_EMULATOR_PREDICTION_KEY": ",".join(settings.prediction_keys),
        "CUSTOM_VISION_EMULATOR_PREDICTION_RESOURCE_ID": settings.prediction_resource_id,
        **(https if settings.https == "auto" else {}),
    }
