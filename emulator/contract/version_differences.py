"""Differences between versions in the behaviour of operations, as tables.

Which operations a version has is in `operations`; which properties a response has, and how they are written,
is in `responses`; error codes are in `error_codes`, platforms and flavors of exports in `exports`.
"""

from emulator.contract.versions import Version

_Number = tuple[int, int]

# Query parameters added after the operation; older versions ignore them.
_PARAMETERS: dict[tuple[str, str], _Number] = {
    ("CreateProject", "exportModelContainerUri"): (3, 3),
    ("CreateProject", "notificationQueueUri"): (3, 3),
    ("DeleteImages", "allImages"): (3, 1),
    ("DeleteImages", "allIterations"): (3, 1),
    ("ImportProject", "name"): (3, 3),
    ("PublishIteration", "overwrite"): (3, 3),
    ("QuickTestImage", "store"): (3, 1),
    ("QuickTestImageUrl", "store"): (3, 1),
}
# Operations whose body was added later; older versions ignore it.
_BODIES: dict[str, _Number] = {"CreateProject": (3, 4), "TrainProject": (3, 2)}
# Properties of request bodies, as attributes of shapes in `requests`; older versions check only their types.
_PROPERTIES: dict[str, dict[str, _Number]] = {
    "CreateImagesFromFiles": {"metadata": (3, 3)},
    "CreateImagesFromPredictions": {"metadata": (3, 3)},
    "CreateImagesFromUrls": {"metadata": (3, 3)},
    "TrainProject": {"custom_base_model_info": (3, 4)},
    "UpdateProject": {
        "settings.export_model_container_uri": (3, 3),
        "settings.notification_queue_uri": (3, 3),
    },
}
# The first version that sends 207 for a batch in which entries failed; older ones send 200.
_MULTI_STATUS: _Number = (3, 3)
# Statuses of images in batches, and what older versions send instead.
_IMAGE_STATUSES: dict[str, tuple[_Number, str]] = {
    "ErrorInvalidTag": ((3, 4), "ErrorUnknown"),
    "ErrorImageDimensions": ((3, 4), "ErrorImageSize"),
}
# Limits of metadata from a version on: pairs of an image, characters of a key, of a value (documented).
_METADATA_LIMITS: dict[_Number, tuple[int, int, int]] = {(3, 3): (50, 256, 512), (3, 4): (10, 128, 256)}
# Versions up to this one count the workspace of an exported project as an iteration (recorded).
_WORKSPACE_COUNTED_UNTIL: _Number = (3, 3)
# Domains that older versions do not list (recorded).
_LISTED_DOMAINS: dict[str, _Number] = {
    "3780a898-81c3-4516-81ae-3a139614e1f3": (3, 3),
    "7ec2ac80-887b-48a6-8df9-8b1357765430": (3, 3),
}


def has_parameter(operation: str, name: str, version: Version) -> bool:
    """Whether a version of `operation` reads the query parameter `name`, spelled as in the contract."""
    return version.number >= _PARAMETERS.get((operation, name), (0, 0))


def has_body(operation: str, version: Version) -> bool:
    """Whether a version of `operation` reads its body."""
    return version.number >= _BODIES.get(operation, (0, 0))


def ignored_properties(operation: str, version: Version) -> list[list[str]]:
    """The properties of the body that a version of `operation` ignores, as paths of attributes."""
    properties = _PROPERTIES.get(operation, {})
    return [path.split(".") for path, since in properties.items() if version.number < since]


def batch_status(version: Version, *, complete: bool) -> int:
    """The HTTP status for a batch. complete: whether all entries succeeded."""
    return 207 if not complete and version.number >= _MULTI_STATUS else 200


def image_status(status: str, version: Version) -> str:
    """The status of an image in a batch, as `version` sends it."""
    since, older = _IMAGE_STATUSES.get(status, ((0, 0), status))
    return status if version.number >= since else older


def metadata_limits(version: Version) -> tuple[int, int, int]:
    """The limits of metadata: pairs of an image, characters of a key, characters of a value.

    Versions before 3.3 have no metadata; theirs are those of 3.3.
    """
    since = max((number for number in _METADATA_LIMITS if number <= version.number), default=(3, 3))
    return _METADATA_LIMITS[since]


def exported_iteration_count(count: int, version: Version) -> int:
    """`iterationCount` of an exported project that has `count` iterations."""
    return count + 1 if version.number <= _WORKSPACE_COUNTED_UNTIL else count


def lists_domain(domain_id: str, version: Version) -> bool:
    """Whether a version lists the domain; every version returns it by id."""
    return version.number >= _LISTED_DOMAINS.get(domain_id, (0, 0))
