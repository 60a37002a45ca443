"""Data sets that tests make, import and export."""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emulator.data_sets import formats
from emulator.data_sets.files import Files
from emulator.data_sets.reading import Reading
from emulator.data_sets.record import DataSet, ImageLabels, LabeledBox, Place, Problems, TagInfo
from emulator.data_sets.writing import zip_pieces
from emulator.store.tables import JobKind
from tests.support.harness import Service, expect
from tests.support.images import picture

Content = Mapping[str, bytes | str]
SIZE = (48, 36)
NEVER_DIVISIBLE = (0.1234567, 0.2345678, 0.3456789, 0.4567891)


def zip_of(files: Content) -> bytes:
    """A zip archive with these files."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


def reading_of(files: Content, **options: bool) -> Reading:
    """A reading of an archive with these files."""
    archive = zip_of(files)
    return Reading(Files(io.BytesIO(archive), len(archive)), **options)


def reading_of_folder(folder: Path) -> Reading:
    """A reading of an archive with the files of a folder."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return reading_of({path.relative_to(folder).as_posix(): path.read_bytes() for path in paths})


def files_in(archive: bytes) -> dict[str, bytes]:
    """The files of a zip archive."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def written(data: DataSet, format: str, losses: Problems | None = None) -> dict[str, bytes]:
    """The files that a writer makes. Images are those of `picture`, by their places in the data set."""
    numbers = {image.file: number for number, image in enumerate(data.images)}

    def read(image: ImageLabels) -> bytes:
        # Images of thousands of pixels take seconds; tests that read labels alone need none.
        size = image.size if image.size is not None and max(image.size) < 2000 else SIZE
        return picture(numbers[image.file], size=size)

    pieces = zip_pieces(formats.write(data, format, losses or Problems()), read)
    return files_in(b"".join(pieces))


def boxed_set(count: int = 3, size: tuple[int, int] = (640, 427)) -> DataSet:
    """A data set for detection: images with 0, 1, 2, ... boxes at places that no rounding keeps."""
    data = DataSet("", detection=True, tags={name: TagInfo(name) for name in ("cat", "dog & co", "Vogel ä")})
    names = list(data.tags)
    for number in range(count):
        file = f"image{number}.png"
        left, top, width, height = NEVER_DIVISIBLE
        boxes = tuple(
            LabeledBox(names[index % 3], left + index / 97, top + index / 89, width + number / 101, height)
            for index in range(number)
        )
        tags = tuple(dict.fromkeys(box.tag for box in boxes))
        data.images.append(ImageLabels(file, Place(file), tags=tags, boxes=boxes, size=size))
    return data


def tagged_set(tags_of: list[tuple[str, ...]]) -> DataSet:
    """A data set for classification: an image for each tuple of tags."""
    data = DataSet("", detection=False)
    for number, tags in enumerate(tags_of):
        for name in tags:
            data.add_tag(name)
        file = f"image{number}.png"
        data.images.append(ImageLabels(file, Place(file), tags=tags, size=SIZE))
    return data


class DataSets:
    """Imports into a service and exports of it, by the control API."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def begin(self, files: Content | bytes, project: str = "imported", **parameters: str) -> dict[str, Any]:
        """The response to the request of an import."""
        archive = files if isinstance(files, bytes) else zip_of(files)
        response = self.service.request(
            "POST", "/_emulator/dataSets", params={"project": project, **parameters}, content=archive
        )
        begun: dict[str, Any] = expect(response, 202)
        return begun

    def run(self) -> None:
        """Carry out the imports that wait."""
        self.service.runner(JobKind.DATA_SET).run_waiting()

    def get(self, id: str) -> dict[str, Any]:
        found: dict[str, Any] = expect(self.service.request("GET", f"/_emulator/dataSets/{id}"))
        return found

    def imported(
        self, files: Content | bytes, project: str = "imported", **parameters: str
    ) -> dict[str, Any]:
        """An import that has ended, whether successfully or not."""
        begun = self.begin(files, project, **parameters)
        self.run()
        return self.get(begun["id"])

    def added(self, files: Content | bytes, project: str = "imported", **parameters: str) -> dict[str, Any]:
        """The report of an import that is successful."""
        ended = self.imported(files, project, **parameters)
        assert ended["status"] == "Completed", ended
        report: dict[str, Any] = ended["report"] | {"projectId": ended["projectId"]}
        return report

    def export(self, project_id: str, format: str) -> bytes:
        response = self.service.request(
            "GET", f"/_emulator/projects/{project_id}/dataSet", params={"format": format}
        )
        assert response.status_code == 200, response.text
        return response.content

    def losses(self, project_id: str, format: str) -> dict[str, int]:
        """What an export loses, with counts."""
        response = self.service.request(
            "GET",
            f"/_emulator/projects/{project_id}/dataSet",
            params={"format": format, "dryRun": "true"},
        )
        return {loss["message"]: loss["count"] for loss in expect(response)["losses"]}


def everything_of(service: Service, project_id: str) -> dict[str, Any]:
    """What clients see of the workspace of a project, without times and addresses."""
    project = f"/projects/{project_id}"
    shown = service.get(project)
    for name in ("created", "lastModified", "thumbnailUri", "drModeEnabled", "status"):
        shown.pop(name, None)
    images = service.get(f"{project}/images", params={"take": "256", "taggingStatus": "All"})
    found = []
    for image in images:
        image = {
            name: value
            for name, value in image.items()
            if not name.endswith("Uri") and name not in ("created", "isUsedInTraining")
        }
        for part in ("tags", "regions"):
            image[part] = sorted(
                ({k: v for k, v in one.items() if k != "created"} for one in image.get(part) or ()),
                key=lambda one: json.dumps(one, sort_keys=True),
            )
        found.append(image)
    return {
        "project": shown,
        "tags": sorted(service.get(f"{project}/tags"), key=lambda tag: str(tag["id"])),
        "images": sorted(found, key=lambda image: str(image["id"])),
    }


def write_files(folder: Path, files: Content) -> Path:
    """Write files below a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder
