"""Contradictions of official SDKs and the service, in which api_spec follows the service.

By API and version: the start of lines of the comparison, and the reason. A line that is not listed
fails `test_sdk_against_spec.py`, and so does an entry that no longer has a line.
"""

_READ_ONLY = (
    "the SDKs of 3.0 declare parts of this request read-only and so never send them; the service's later "
    "SDKs, for the same operation, send them"
)
_UNKNOWN_SETTING = "recorded responses of 3.0 have it, the SDKs of 3.0 lack it"
_OPENVINO = "recorded responses of 3.3 name OpenVino in exportableTo; the SDK of 3.3 lacks it"
_STORAGE = "documented for 3.3, whose SDK lacks it"

CONTRADICTIONS: dict[tuple[str, str], dict[str, str]] = {
    ("training", "3.0"): {
        "PredictionQueryResult.token read-only: ": _READ_ONLY,
        "PredictionQueryTag": _READ_ONLY,
        "ProjectSettings.detectionParameters": _UNKNOWN_SETTING,
        "ProjectSettings.useNegativeSet": _UNKNOWN_SETTING,
    },
    ("training", "3.3"): {
        "CreateProject query exportModelContainerUri": _STORAGE,
        "CreateProject query notificationQueueUri": _STORAGE,
        "ExportIteration query platform values: ": _OPENVINO,
        "ExportPlatform values: ": _OPENVINO,
        "ProjectSettings as sent: ": "what is documented for 3.3 can be changed too",
        "ProjectSettings.exportModelContainerUri": _STORAGE,
        "ProjectSettings.notificationQueueUri": _STORAGE,
    },
}
