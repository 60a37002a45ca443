"""The project that is pulled: requests for it, and pages of its images."""

from dataclasses import dataclass
from typing import Any

from emulator.core.pulled.archive import PullArchive
from emulator.pulling.files import IDS_PER_CALL, Files, Wanted
from emulator.pulling.service import Service

PAGE = 256
_IMAGES_AT_A_TIME = 6
_URIS = frozenset({"resizedImageUri", "thumbnailUri", "originalImageUri", "imageUri", "downloadUri"})


@dataclass
class Progress:
    """How far a pull is. calls: to the API; planned: an estimate. images: of all views, and predictions."""

    calls: int = 0
    planned_calls: int = 0
    images: int = 0
    planned_images: int = 0
    step: str = ""


class Source:
    """A project at the service, and the archive that it is pulled into.

    Raises (its methods): PullFailed, ArchiveUnusable, Refused.
    """

    def __init__(self, service: Service, archive: PullArchive, project_id: str) -> None:
        self.service = service
        self.archive = archive
        self.project_id = project_id
        self.progress = Progress()
        self.files = Files(service, archive, project_id, self._look_up, _IMAGES_AT_A_TIME)

    @property
    def path(self) -> str:
        return f"projects/{self.project_id}"

    def get(self, path: str, **parameters: Any) -> Any:
        """A response below the path of the project."""
        self.progress.calls += 1
        return self.service.get(f"{self.path}/{path}" if path else self.path, **parameters)

    def query_predictions(self, token: dict[str, Any]) -> Any:
        """A page of the stored predictions."""
        self.progress.calls += 1
        return self.service.post(f"{self.path}/predictions/query", token)

    def page(self, view: str, skip: int) -> None:
        """One page of the images of a view, unless the archive has it."""
        if not self.archive.has_page(f"images/{view}", skip):
            self._page(view, skip)

    def _page(self, view: str, skip: int) -> int:
        of_view = {"iterationId": view} if view else {}
        images = self.get("images", taggingStatus="All", orderBy="Oldest", take=PAGE, skip=skip, **of_view)
        for image in images:
            self.files.offer(_wanted(image), view)
        self.archive.put_page(view, skip, [without_uris(image) for image in images])
        self.progress.images = self.files.fetched
        return len(images)

    def rest_of(self, view: str) -> None:
        """Images beyond the count of a view, which were uploaded meanwhile."""
        listed = self.archive.listed_count(view)
        skip = listed - listed % PAGE
        if self.archive.has_page(f"images/{view}", skip) or not listed:
            return
        while self._page(view, skip) == PAGE:
            skip += PAGE

    def _look_up(self, view: str, ids: list[str]) -> list[Wanted]:
        of_view = {"iterationId": view} if view else {}
        found: list[Wanted] = []
        for start in range(0, len(ids), IDS_PER_CALL):
            chosen = ",".join(ids[start : start + IDS_PER_CALL])
            found += [_wanted(image) for image in self.get("images/id", imageIds=chosen, **of_view)]
        return found


def without_uris(value: Any) -> Any:
    """A response without URIs, whose signatures would be secrets."""
    if isinstance(value, dict):
        return {name: without_uris(item) for name, item in value.items() if name not in _URIS}
    if isinstance(value, list):
        return [without_uris(item) for item in value]
    return value


def _wanted(image: dict[str, Any]) -> Wanted:
    return Wanted("image", image["id"], str(image["originalImageUri"]), (image["width"], image["height"]))
