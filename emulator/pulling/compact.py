"""Retraining a project in a compact domain at the service, for a model that can be exported.

It works on a copy of the project in the same resource, which is deleted at the end; the project itself is
only read. Each step is noted in the archive, so that a pull that was killed goes on with its copy. Whether a
response was lost is seen by what was not there before: projects, and iterations of the copy.
"""

import os
import re
from collections.abc import Callable, Iterable
from typing import Any

from emulator.core.pulled.archive import COMPACT_MODEL_NAME, PullArchive
from emulator.core.rules.limits import BOXED_IMAGES_PER_TAG_MINIMUM, IMAGES_PER_TAG_MINIMUM, TAGS_MINIMUM
from emulator.durable_files import UNFINISHED_PREFIX, rename_durably
from emulator.pulling.iterations import EXPORT_BYTES, NEWEST
from emulator.pulling.service import Refused, Service

_PLATFORM = "ONNX"
# A training takes minutes at the least.
_SECONDS_BETWEEN_QUERIES = 5.0
_NAME_LENGTH = 128
_DOCUMENT = "compact"
_COPY_NAME = re.compile(r" \(compact copy ([0-9a-f]{8})\)$")


class RetrainingFailed(Exception):
    """The service could not train or export the copy, which was deleted. str() is one line."""


class CompactRetraining:
    """The retraining of one pulled project.

    report: called with what is done next.

    Methods raise RetrainingFailed, PullFailed, ArchiveUnusable.
    """

    def __init__(self, service: Service, archive: PullArchive, report: Callable[[str], None]) -> None:
        self._service = service
        self._archive = archive
        self._report = report
        self._project: dict[str, Any] = archive.document("state")["project"]

    def run(self) -> bool:
        """Retrain, unless the archive has the model of the project as it is; returns whether there is one.

        There is none for projects in a compact domain, whose iterations can be exported as they are.
        """
        state = self._archive.document(_DOCUMENT)
        if state is None or (state["step"] == "done" and not self._is_of_this_project(state)):
            domain = self._compact_domain()
            if domain is None:
                return False
            self._check_images(domain)
            state = self._begin(domain)
        if state["step"] == "done":
            return True
        try:
            self._model(state)
        except (Refused, RetrainingFailed) as error:
            self._end(state, "failed")
            self._archive.put_document(_DOCUMENT, None)
            raise RetrainingFailed(str(error)) from None
        self._end(state, "done")
        return True

    def _is_of_this_project(self, state: dict[str, Any]) -> bool:
        is_there = (self._archive.folder / COMPACT_MODEL_NAME).is_file()
        return is_there and state["lastModified"] == self._project["lastModified"]

    def _compact_domain(self) -> dict[str, Any] | None:
        """The compact domain for the project; None if its own is compact. Raises RetrainingFailed."""
        domains = self._archive.document("domains")
        own = next((one for one in domains if one["id"] == self._project["settings"]["domainId"]), None)
        if own is None:
            raise RetrainingFailed("the service does not list the domain of the project")
        if own.get("exportable"):
            return None
        compact = {
            one["name"]: one for one in domains if one["type"] == own["type"] and one.get("exportable")
        }
        subject = str(own["name"]).partition(" [")[0]
        for name in (f"{subject} (compact)", "General (compact)"):
            if name in compact:
                found: dict[str, Any] = compact[name]
                return found
        raise RetrainingFailed(f"the service has no compact domain for {own['name']!r}")

    def _check_images(self, domain: dict[str, Any]) -> None:
        """Raises RetrainingFailed when the service would refuse the training, before anything is copied."""
        tags = [tag for tag in self._archive.document("tags") if tag.get("imageCount") != 0]
        is_detection = domain["type"] == "ObjectDetection"
        fewest_tags = 1 if is_detection else TAGS_MINIMUM
        fewest_images = BOXED_IMAGES_PER_TAG_MINIMUM if is_detection else IMAGES_PER_TAG_MINIMUM
        if len(tags) < fewest_tags:
            raise RetrainingFailed(
                f"no copy is made: a training needs {fewest_tags} tags with images, "
                f"the project has {len(tags)}"
            )
        for tag in tags:
            if tag.get("imageCount", fewest_images) < fewest_images:
                raise RetrainingFailed(
                    f"no copy is made: a training needs {fewest_images} images of each tag, "
                    f"{tag['name']!r} has {tag['imageCount']}"
                )

    # The steps

    def _begin(self, domain: dict[str, Any]) -> dict[str, Any]:
        suffix = f" (compact copy {self._project['id'][:8]})"
        state = {
            "step": "copying",
            "lastModified": self._project["lastModified"],
            "domain": domain["id"],
            "name": f"{self._project['name'][: _NAME_LENGTH - len(suffix)]}{suffix}",
            "before": [project["id"] for project in self._service.get("projects")],
            "copy": None,
            "iterations": None,
            "iteration": None,
        }
        self._note(state)
        return state

    def _model(self, state: dict[str, Any]) -> None:
        """Carry out the steps that remain until the model is in the archive.

        Raises Refused, RetrainingFailed.
        """
        if state["step"] == "copying":
            self._copy(state)
            self._note(state, "training")
        path = f"projects/{state['copy']}"
        if state["step"] == "training":
            self._train(state, path)
            self._note(state, "exporting")
        if state["step"] == "exporting":
            self._export(state, path)
            self._note(state, "deleting")

    def _copy(self, state: dict[str, Any]) -> None:
        self._report("copying the project")
        found = self._copy_there(state)
        if found is None:
            token = self._service.get(f"projects/{self._project['id']}/export")["token"]
            found = self._service.send(
                "POST",
                "projects/import",
                recover=lambda: self._copy_there(state),
                token=token,
                name=state["name"],
            )
        state["copy"] = found["id"]
        self._note(state)
        path = f"projects/{state['copy']}"
        while (project := self._service.get(path))["status"] != "Succeeded":
            if project["status"] == "Failed":
                raise RetrainingFailed("the service could not copy the project")
            self._service.pause(_SECONDS_BETWEEN_QUERIES)
        settings = {**project["settings"], "domainId": state["domain"]}
        body = {"name": state["name"], "description": project.get("description"), "settings": settings}
        self._service.send("PATCH", path, body)
        state["iterations"] = [iteration["id"] for iteration in self._service.get(f"{path}/iterations")]

    def _copy_there(self, state: dict[str, Any]) -> dict[str, Any] | None:
        """The copy, if a request for it whose response was lost was carried out."""
        projects: list[dict[str, Any]] = self._service.get("projects")
        new = (one for one in projects if one["name"] == state["name"] and one["id"] not in state["before"])
        return next(new, None)

    def _train(self, state: dict[str, Any], path: str) -> None:
        self._report("training the copy, for which the service charges")

        def begun() -> dict[str, Any] | None:
            listed: list[dict[str, Any]] = self._service.get(f"{path}/iterations")
            new = (one for one in listed if one["id"] not in state["iterations"])
            return next(new, None)

        found = begun() or self._service.send("POST", f"{path}/train", recover=begun, forceTrain="true")
        state["iteration"] = found["id"]
        self._note(state)
        address = f"{path}/iterations/{state['iteration']}"
        while (iteration := self._service.get(address))["status"] != "Completed":
            if iteration["status"] == "Failed":
                raise RetrainingFailed("the training of the copy failed")
            self._service.pause(_SECONDS_BETWEEN_QUERIES)

    def _export(self, state: dict[str, Any], path: str) -> None:
        self._report("exporting the model")
        address = f"{path}/iterations/{state['iteration']}/export"
        while True:
            exports = self._service.get(address, version=NEWEST)
            found = next((one for one in exports if one["platform"] == _PLATFORM), None)
            if found is None:
                self._request_export(address)
            elif found["status"] == "Done" and found.get("downloadUri"):
                break
            elif found["status"] == "Failed":
                raise RetrainingFailed("the export of the model failed")
            else:
                self._service.pause(_SECONDS_BETWEEN_QUERIES)
        target = self._archive.folder / COMPACT_MODEL_NAME
        unfinished = target.with_name(f"{UNFINISHED_PREFIX}{target.name}")
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            self._service.download(found["downloadUri"], file, EXPORT_BYTES)
        rename_durably(unfinished, target)

    def _request_export(self, address: str) -> None:
        try:
            self._service.send("POST", address, platform=_PLATFORM)
        except Refused as refused:
            if refused.code != "BadRequestExportAlreadyInProgress":
                raise

    def _end(self, state: dict[str, Any], step: str) -> None:
        """Delete the copy, and nothing else: what was there before, or has another name, stays."""
        copy = state["copy"] or (self._copy_there(state) or {}).get("id")
        if copy is not None and copy not in state["before"]:
            self._report("deleting the copy")
            self._service.delete(f"projects/{copy}")
        self._note(state, step)

    def _note(self, state: dict[str, Any], step: str | None = None) -> None:
        state["step"] = step or state["step"]
        self._archive.put_document(_DOCUMENT, state)


def is_copy(project: dict[str, Any], ids: Iterable[str]) -> bool:
    """Whether a project is the copy of one of those with these ids."""
    found = _COPY_NAME.search(str(project["name"]))
    return found is not None and any(one.startswith(found[1]) for one in ids if one != project["id"])


def copy_left(archive: PullArchive) -> str | None:
    """The name of the copy that a retraining which did not end has left at the service; None without one."""
    state = archive.document(_DOCUMENT)
    return None if state is None or state["step"] == "done" else str(state["name"])
