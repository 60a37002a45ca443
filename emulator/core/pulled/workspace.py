"""The rows of a pulled project: settings, tags, images, and what is on them, with the ids of the service."""

import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from sqlalchemy import func
from sqlmodel import Session, col, select

from emulator.core.context import Context
from emulator.core.projects.manage import AUGMENTATION_METHODS
from emulator.core.pulled.archive import WORKSPACE, PullArchive
from emulator.core.pulled.history import ImageHistory, Life, image_history, life
from emulator.core.revisions import revisions
from emulator.core.rules import domains
from emulator.core.rules.region_edges import clipped
from emulator.core.transfer.copying import insert_rows
from emulator.store.tables import Image, ImageTag, Project, ProjectStatus, Region, Tag

_AT_A_TIME = 500
_SINGLE = struct.Struct("<f")
# A box that is changed by less has the same digits in responses, or the last one differs.
_ROUNDING = 1e-6


class Notes:
    """What differs from the service, counted."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, text: str) -> None:
        self._counts[text] += 1

    def texts(self) -> list[str]:
        return [text if count == 1 else f"{text} ({count:,} times)" for text, count in self._counts.items()]


class Contents:
    """A pulled project, on its way into the store.

    Attributes:
        views: the iterations whose images are known, oldest first, and last the workspace.
        files: the names of blobs by kind and id of what they are files of.
        stored: the blobs that were stored; those that are made here are added.
        blobs: of the images, by id, once their rows are inserted. workspace_blobs: of
            those in the workspace.
        tag_names: of all tags, by id, once their rows are inserted.
    """

    def __init__(
        self,
        context: Context,
        archive: PullArchive,
        state: dict[str, Any],
        files: dict[tuple[str, str], str],
        stored: set[str],
    ) -> None:
        self.context = context
        self.archive = archive
        self.project: dict[str, Any] = state["project"]
        self.iterations: list[dict[str, Any]] = [
            iteration for iteration in state["iterations"] if archive.has_document(f"count/{iteration['id']}")
        ]
        self.files = files
        self.stored = stored
        self.notes = Notes()
        self.blobs: dict[str, str] = {}
        self.workspace_blobs: set[str] = set()
        self.tag_names: dict[str, str] = {}
        known = [
            iteration["id"]
            for iteration in self.iterations
            if isinstance(archive.document(f"count/{iteration['id']}"), int)
        ]
        self.views = [*known, WORKSPACE]
        # Whether the workspace differs from the newest iteration.
        self.has_changed = len(self.views) == 1

    @property
    def project_id(self) -> str:
        return str(self.project["id"])

    @property
    def revision(self) -> int:
        """Of the workspace: that of the newest iteration, if it has the same contents."""
        return len(self.views) if self.has_changed else len(self.views) - 1

    def revision_of(self, iteration_id: str) -> int:
        """Of an iteration; if its images are not known, that of the next one."""
        if iteration_id in self.views:
            return self.views.index(iteration_id) + 1
        later = [item["id"] for item in self.iterations]
        for one in later[later.index(iteration_id) :]:
            if one in self.views:
                return self.views.index(one) + 1
        return self.revision

    def note_life(self, one: Life) -> None:
        newest = len(self.views)
        if newest in (one.born, one.removed):
            self.has_changed = True

    def domain_id(self, id: str | None) -> str:
        """A domain of the service, or in place of one that is not known here, General of its type."""
        if id is not None and domains.find(id) is not None:
            return id
        kinds = {item["id"]: item["type"] for item in self.archive.document("domains")}
        of_project = domains.find(self.project["settings"]["domainId"])
        kind = kinds.get(id) or (of_project.type if of_project else None) or self._guessed_type()
        general = domains.named(
            "General", "ObjectDetection" if kind == "ObjectDetection" else "Classification"
        )
        self.notes.add(f"the domain {id} is not known here; it is replaced by General ({general.type})")
        return general.id

    def _guessed_type(self) -> str:
        has_regions = any("regions" in image for image in islice(self.archive.listed(WORKSPACE), 1000))
        return "ObjectDetection" if has_regions else "Classification"


def time_of(text: str) -> datetime:
    """A time of the service, in UTC; its tenth of a microsecond is cut off."""
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def insert(session: Session, contents: Contents) -> Project:
    """Insert the project with its tags and images; iterations follow."""
    project = _project(contents)
    session.add(project)
    session.flush()
    insert_rows(session, Tag, _tags(contents))
    ids = contents.archive.images()
    while batch := list(islice(ids, _AT_A_TIME)):
        _insert_images(session, contents, batch)
    project.revision = contents.revision
    session.add(project)
    return project


def finish(session: Session, project: Project) -> tuple[int, int]:
    """Count; returns the numbers of images and of tags of the workspace."""
    session.flush()
    revisions.recount(session, project)
    session.add(project)
    tags = session.scalar(
        select(func.count()).select_from(Tag).where(Tag.project_id == project.id, col(Tag.removed).is_(None))
    )
    return project.image_count, tags or 0


def _project(contents: Contents) -> Project:
    source, settings = contents.project, contents.project["settings"]
    processing = settings.get("imageProcessingSettings") or {}
    methods = processing.get("augmentationMethods") or dict.fromkeys(AUGMENTATION_METHODS, True)
    return Project(
        id=source["id"],
        name=source["name"],
        description=source.get("description") or "",
        domain_id=contents.domain_id(settings["domainId"]),
        classification_type=settings.get("classificationType") or "Multilabel",
        target_export_platforms=settings.get("targetExportPlatforms") or [],
        use_negative_set=settings.get("useNegativeSet", True) is not False,
        detection_parameters=settings.get("detectionParameters"),
        augmentation_methods=methods,
        created=time_of(source["created"]),
        last_modified=time_of(source["lastModified"]),
        new_iteration_created=time_of(source["created"]),
        status=ProjectStatus.SUCCEEDED,
    )


def _tags(contents: Contents) -> list[dict[str, Any]]:
    """The tags of all views, as rows."""
    archive, views = contents.archive, contents.views
    present: dict[str, set[int]] = {}
    latest: dict[str, dict[str, Any]] = {}
    for index, view in enumerate(views):
        tags = archive.document("tags" if view == WORKSPACE else f"tags/{view}")
        for tag in tags if isinstance(tags, list) else ():
            present.setdefault(tag["id"], set()).add(index)
            before = latest.get(tag["id"])
            if before is not None and before["name"] != tag["name"]:
                contents.notes.add("a tag was renamed: older iterations list it by its present name")
            latest[tag["id"]] = tag
    rows = []
    for tag_id, at in present.items():
        one = life(at, len(views))
        contents.note_life(one)
        tag = latest[tag_id]
        contents.tag_names[tag_id] = tag["name"]
        rows.append(
            {
                "id": tag_id,
                "project_id": contents.project_id,
                "name": tag["name"],
                "description": tag.get("description") or None,
                "type": tag.get("type") or "Regular",
                "born": one.born,
                "removed": one.removed,
                "image_count": 0,
            }
        )
    return rows


def _insert_images(session: Session, contents: Contents, ids: Sequence[str]) -> None:
    descriptions = contents.archive.descriptions(ids)
    histories: dict[str, ImageHistory] = {}
    rows: list[dict[str, Any]] = []
    for image in ids:
        stored = contents.archive.file("image", image)
        history = image_history(descriptions[image], contents.views)
        if stored is None or history is None:
            continue  # the manifest names it
        histories[image] = history
        rows.append(_image(contents, image, history))
    insert_rows(session, Image, rows)
    found = session.execute(select(Image.id, Image.number).where(col(Image.id).in_(list(histories)))).all()
    numbers: dict[str, int] = dict(found)
    insert_rows(session, ImageTag, list(_image_tags(contents, histories, numbers)))
    insert_rows(session, Region, list(_regions(contents, histories, numbers)))


def _image(contents: Contents, id: str, history: ImageHistory) -> dict[str, Any]:
    contents.note_life(history.life)
    stored = contents.archive.file("image", id)
    assert stored is not None
    text = history.latest
    blob, size = contents.files["image", id], stored.size
    if history.life.removed is None and blob in contents.workspace_blobs:
        # The service has two images with these bytes, and a workspace here has each only once. Readers of
        # images ignore what follows them.
        content = stored.path.read_bytes() + id.encode()
        blob, size = contents.context.blobs.put(content), len(content)
        contents.stored.add(blob)
        contents.notes.add(
            "two images have the same bytes; one of them was made different by its id at its end"
        )
    if history.life.removed is None:
        contents.workspace_blobs.add(blob)
    contents.blobs[id] = blob
    return {
        "id": id,
        "project_id": contents.project_id,
        "blob": blob,
        "size": size,
        "width": stored.width,
        "height": stored.height,
        "created": time_of(text["created"]),
        "metadata_": text.get("metadata") or None,
        "born": history.life.born,
        "removed": history.life.removed,
        "tag_count": sum(one.removed is None for one, _, _ in history.tags),
    }


def _image_tags(
    contents: Contents, histories: dict[str, ImageHistory], numbers: dict[str, int]
) -> Iterator[dict[str, Any]]:
    for image, history in histories.items():
        for one, tag_id, created in history.tags:
            if tag_id not in contents.tag_names:
                contents.notes.add("an image has a tag that the service does not list; it was left out")
                continue
            contents.note_life(one)
            yield {
                "image_number": numbers[image],
                "tag_id": tag_id,
                "created": time_of(created),
                "born": one.born,
                "removed": one.removed,
            }


def _regions(
    contents: Contents, histories: dict[str, ImageHistory], numbers: dict[str, int]
) -> Iterator[dict[str, Any]]:
    for image, history in histories.items():
        for one, region in history.regions:
            sides = _sides(contents, region)
            if sides is None or region["tagId"] not in contents.tag_names:
                continue
            contents.note_life(one)
            yield {
                "id": region["regionId"],
                "image_number": numbers[image],
                "tag_id": region["tagId"],
                **dict(zip(("left", "top", "width", "height"), sides, strict=True)),
                "created": time_of(region["created"]),
                "born": one.born,
                "removed": one.removed,
            }


def _sides(contents: Contents, region: dict[str, Any]) -> tuple[float, float, float, float] | None:
    """Left, top, width and height in single precision as the service has them, if they lie in the image."""
    left, top, width, height = (_single(region[side]) for side in ("left", "top", "width", "height"))
    horizontal, vertical = _within(left, width), _within(top, height)
    if horizontal is None or vertical is None:
        contents.notes.add("a region lies outside of its image, or has no area; it was left out")
        return None
    found = horizontal[0], vertical[0], horizontal[1], vertical[1]
    if max(abs(a - b) for a, b in zip(found, (left, top, width, height), strict=True)) > _ROUNDING:
        contents.notes.add("a region reaches beyond its image; it was cut off at the edge")
    return found


def _within(start: float, length: float) -> tuple[float, float] | None:
    """One side of a box within the image; None when nothing is."""
    inside = clipped(start, length)
    if inside is not None:
        return inside
    begin, end = max(0.0, start), min(1.0, start + length)
    return clipped(begin, end - begin) if end > begin else None


def _single(value: float) -> float:
    (result,) = _SINGLE.unpack(_SINGLE.pack(value))
    return float(result)
