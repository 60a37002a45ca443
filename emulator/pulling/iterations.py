"""Pulling the iterations of a project: their images, tags, performance and exports."""

import os
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from emulator.core.pulled.archive import digest_of_file
from emulator.pulling.service import Refused
from emulator.pulling.source import PAGE, Source

# The newest version, which alone has the reasons of failed trainings and all kinds of exports.
NEWEST = "v3.4-preview"
STABLE = "v3.3"
EXPORT_BYTES = 512 * 2**20
# In percent: 5, 10, ..., 95. As text, since these are the parameters and the names of documents.
THRESHOLDS = tuple(f"{percent / 100:.2f}" for percent in range(5, 100, 5))
OVERLAPS = ("0.30", "0.50", "0.75")
# Statuses of iterations whose training has ended.
_ENDED = ("Completed", "Failed")
# A fifth of the images is in the evaluation set.
_EVALUATED = 5
_VERSION_UNKNOWN = (404, 410)


def listed(pull: Source) -> list[dict[str, Any]]:
    """The iterations of the project, oldest first."""
    try:
        found = pull.get("iterations", version=NEWEST)
    except Refused as refused:
        if refused.status not in _VERSION_UNKNOWN:
            raise
        found = pull.get("iterations")
    return sorted(found, key=lambda iteration: (iteration["created"], iteration["id"]))


def is_pulled(iteration: dict[str, Any]) -> bool:
    """Whether its training has ended; the others are named in the manifest."""
    return iteration["status"] in _ENDED


def count_images(pull: Source, iteration: dict[str, Any]) -> None:
    """The numbers of images of an iteration and of its evaluation set."""
    iteration_id = iteration["id"]
    _document(pull, f"count/{iteration_id}", "images/count", iterationId=iteration_id)
    _document(pull, f"tags/{iteration_id}", "tags", iterationId=iteration_id)
    if iteration["status"] == "Completed":
        _document(pull, f"evaluated/{iteration_id}", f"iterations/{iteration_id}/performance/images/count")


def jobs(pull: Source, iteration: dict[str, Any]) -> Iterator[Callable[[], None]]:
    """What remains to be requested of an iteration whose images were counted."""
    iteration_id = iteration["id"]
    for skip in range(0, _number(pull, f"count/{iteration_id}"), PAGE):
        yield partial(pull.page, iteration_id, skip)
    if iteration["status"] != "Completed":
        return
    for skip in range(0, _number(pull, f"evaluated/{iteration_id}"), PAGE):
        yield partial(_evaluated_page, pull, iteration_id, skip)
    for threshold, overlap in _thresholds(pull):
        yield partial(_performance, pull, iteration_id, threshold, overlap)
    if iteration.get("exportable"):
        yield partial(_exports, pull, iteration_id)


def estimated_calls(pull: Source, iteration: dict[str, Any], images: int) -> int:
    """The number of calls for an iteration, if it has as many images as the workspace."""
    calls = 3 + images // PAGE + 1
    if iteration["status"] == "Completed":
        calls += images // PAGE // _EVALUATED + 1 + len(_thresholds(pull)) + bool(iteration.get("exportable"))
    return calls


def _thresholds(pull: Source) -> list[tuple[str, str]]:
    """Thresholds of probability and overlap; the first is that of a request without them."""
    overlaps = OVERLAPS if detects(pull) else ("",)
    return [("", ""), *((threshold, overlap) for threshold in THRESHOLDS for overlap in overlaps)]


def detects(pull: Source) -> bool:
    """Whether the project finds objects."""
    state = pull.archive.document("state")
    domain_id = state["project"]["settings"]["domainId"]
    kinds = {domain["id"]: domain["type"] for domain in pull.archive.document("domains")}
    return bool(kinds.get(domain_id) == "ObjectDetection")


def _document(pull: Source, name: str, path: str, **parameters: str | int) -> None:
    """A response that is kept whole, unless the archive has it. What the service refuses is kept as null."""
    if pull.archive.has_document(name):
        return
    try:
        value = pull.get(path, **parameters)
    except Refused as refused:
        pull.archive.put_document(name, {"refused": str(refused)})
        return
    pull.archive.put_document(name, value)


def _number(pull: Source, name: str) -> int:
    value = pull.archive.document(name)
    return value if isinstance(value, int) else 0


def _performance(pull: Source, id: str, threshold: str, overlap: str) -> None:
    parameters = {"threshold": threshold, "overlapThreshold": overlap}
    given = {name: value for name, value in parameters.items() if value}
    _document(pull, f"performance/{id}/{threshold}/{overlap}", f"iterations/{id}/performance", **given)


def _evaluated_page(pull: Source, id: str, skip: int) -> None:
    if not pull.archive.has_page(f"performance/{id}", skip):
        path = f"iterations/{id}/performance/images"
        images = pull.get(path, orderBy="Oldest", take=PAGE, skip=skip)
        pull.archive.put_evaluated_page(id, skip, images)


def export_key(iteration_id: str, export: dict[str, Any]) -> str:
    """The id of the file of an export."""
    return f"{iteration_id}.{export['platform']}.{export.get('flavor') or ''}"


def _exports(pull: Source, id: str) -> None:
    """The exports that exist, with their files."""
    archive, name = pull.archive, f"exports/{id}"
    known = archive.document(name)
    if known is not None and all(archive.is_settled("export", export_key(id, export)) for export in known):
        return
    try:
        found = pull.get(f"iterations/{id}/export", version=NEWEST)
    except Refused as refused:
        if refused.status not in _VERSION_UNKNOWN:
            raise
        found = pull.get(f"iterations/{id}/export")
    finished = [export for export in found if export["status"] == "Done" and export.get("downloadUri")]
    archive.put_document(
        name, [{key: value for key, value in export.items() if key != "downloadUri"} for export in finished]
    )
    for export in finished:
        if not archive.is_settled("export", export_key(id, export)):
            _download(pull, export_key(id, export), export["downloadUri"])


def _download(pull: Source, key: str, uri: str) -> None:
    archive = pull.archive
    target = archive.path("export", key)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".new-", delete=False) as file:
            pull.service.download(uri, file, EXPORT_BYTES)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        archive.adopt_file("export", key, file.name, digest_of_file(file.name), size)
    except Refused as refused:
        archive.put_reason("export", key, f"its file: {refused}")
