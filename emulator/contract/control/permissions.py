"""What each operation of the emulator's own API needs: a data action of Azure's roles, as its operations do.

Roles then permit what is like the operations that they permit: reading, labelling, training, deploying. All
that concerns the whole emulator is for administrators.
"""

_PROJECT = "/_emulator/projects/{projectId}"
_ITERATION = f"{_PROJECT}/iterations/{{iterationId}}"
_TEST_SET = f"{_PROJECT}/testSets/{{testSetId}}"
_IMPORT = "/_emulator/dataSets/{importId}"

_READ = "projects/read"
_UPDATE = "projects/write"
_IMAGES = "projects/images/action"
_TRAIN = "projects/train/action"
_PUBLISH = "projects/iterations/publish/action"
# Those that read whole projects, or make them.
_EXPORT_PROJECT = "projects/export/read"
_IMPORT_PROJECT = "projects/import/action"

# By method and path of those that are no GET below a project, which need `_READ`.
_ACTIONS = {
    ("GET", "/_emulator/info"): _READ,
    ("GET", "/_emulator/jobs"): _READ,
    ("GET", "/_emulator/trainer"): _READ,  # which the trainers of projects tell, too
    ("POST", "/_emulator/jobs/{jobId}/cancel"): _TRAIN,
    ("GET", "/_emulator/imports"): _READ,
    ("GET", "/_emulator/dataSets"): _READ,
    ("POST", "/_emulator/dataSets"): _IMPORT_PROJECT,
    ("GET", _IMPORT): _READ,
    ("POST", f"{_IMPORT}/import"): _IMPORT_PROJECT,
    ("DELETE", _IMPORT): _IMPORT_PROJECT,
    ("POST", "/_emulator/models"): _IMPORT_PROJECT,
    ("GET", f"{_PROJECT}/dataSet"): _EXPORT_PROJECT,
    ("POST", f"{_PROJECT}/images/restore"): _IMAGES,
    ("POST", f"{_PROJECT}/tags/restore"): "projects/tags/action",
    ("PUT", f"{_PROJECT}/choreography"): _UPDATE,
    ("DELETE", f"{_PROJECT}/choreography"): _UPDATE,
    ("PUT", f"{_PROJECT}/trainer"): _UPDATE,
    ("DELETE", f"{_PROJECT}/trainer"): _UPDATE,
    ("POST", f"{_PROJECT}/rollouts"): _PUBLISH,
    ("PATCH", f"{_PROJECT}/rollouts"): _PUBLISH,
    ("POST", f"{_PROJECT}/rollouts/finish"): _PUBLISH,
    ("POST", f"{_PROJECT}/rollouts/back"): _PUBLISH,
    ("POST", f"{_PROJECT}/testSets"): _IMAGES,
    ("PATCH", _TEST_SET): _IMAGES,
    ("DELETE", _TEST_SET): _IMAGES,
    ("POST", f"{_TEST_SET}/images"): _IMAGES,
    ("DELETE", f"{_TEST_SET}/images"): _IMAGES,
    ("POST", f"{_TEST_SET}/evaluations"): _TRAIN,
    ("DELETE", f"{_TEST_SET}/evaluations/{{iterationId}}"): _TRAIN,
    ("POST", f"{_ITERATION}/labelHints/keep"): "projects/images/tags/action",
    ("DELETE", f"{_ITERATION}/labelHints/keep"): "projects/images/tags/action",
    ("POST", f"{_ITERATION}/heatMap"): "projects/quicktest/image/action",
    ("POST", f"{_ITERATION}/exports"): "projects/iterations/export/action",
}


def permission_of(method: str, path: str) -> str | None:
    """The data action that an operation needs; None if it is for administrators.

    Args:
        path: with its parameters in braces.
    """
    method = "GET" if method == "HEAD" else method
    action = _ACTIONS.get((method, path))
    if action is None and method == "GET" and path.startswith(f"{_PROJECT}/"):
        return _READ
    return action
