"""Pushing the workspace of an archive into a resource: a new project with tags, images, regions and metadata.

The resource gives new ids, which are noted in the archive with each response, so that a push that ended early
goes on where it was. What was sent and not noted is sent again: the resource finds the same images by their
bytes, and the same regions by their places.
"""

import base64
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any

from emulator.core.pulled.archive import WORKSPACE, PullArchive
from emulator.core.rules.limits import (
    IMAGE_IDS_PER_METADATA_UPDATE,
    IMAGE_TAGS_PER_BATCH,
    IMAGES_PER_BATCH,
    MEGABYTE,
    REGIONS_PER_BATCH,
    TAGS_PER_BATCH,
)
from emulator.pulling.service import Refused, Service
from emulator.pulling.source import Progress

# Larger bodies take longer than the service waits.
_BATCH_BYTES = 24 * MEGABYTE
_STORED = ("OK", "OKDuplicate")
# Resources store boxes in single precision.
_ROUNDING = 1e-6
_SIDES = ("left", "top", "width", "height")


class Push:
    """The push of one archive.

    Args:
        name: of the new project; None: that of the archive.

    Raises (its methods): PullFailed, ArchiveUnusable, Refused.
    """

    def __init__(self, target: Service, archive: PullArchive, name: str | None = None) -> None:
        self._target = target
        self._archive = archive
        self._project: dict[str, Any] = archive.document("state")["project"]
        self._name = name or self._project["name"]
        self._ids = PushedIds(archive, f"{target.host} {self._name}")
        self.progress = Progress()
        self.failures: list[str] = []

    def run(self) -> str:
        """Push everything; returns the id of the new project. `failures` says what is missing there."""
        self.progress.planned_images = self._archive.listed_count(WORKSPACE)
        path = f"projects/{self._create_project()}"
        self._create_tags(path)
        self.progress.step = "Images"
        for batch in self._batches():
            self._upload(path, batch)
        self.progress.step = "Regions and metadata"
        self._create_regions(path)
        self._set_metadata(path)
        self._compare(path)
        return path.partition("/")[2]

    def mapping(self) -> dict[str, dict[str, str]]:
        """The ids at the resource by those of the archive, by kind."""
        return {kind: self._ids.all(kind) for kind in ("project", "tag", "image", "region")}

    def _create_project(self) -> str:
        """The id of the project, which is created unless an earlier push has."""
        self.progress.step = "Project"
        known = self._ids.get("project", self._project["id"])
        if known is not None:
            return known
        # Projects that were there before: a name may be used again. The response may be lost, and the process
        # may end before it is noted.
        mark = f"push {self._ids.target}"
        before = self._archive.document(mark)
        if before is None:
            before = [project["id"] for project in self._target.get("projects")]
            self._archive.put_document(mark, before)

        def created() -> dict[str, Any] | None:
            found: list[dict[str, Any]] = self._target.get("projects")
            new = (item for item in found if item["name"] == self._name and item["id"] not in before)
            return next(new, None)

        settings = self._project["settings"]
        parameters = {
            "name": self._name,
            "description": self._project.get("description") or "",
            "domainId": settings["domainId"],
            "classificationType": settings.get("classificationType") or "Multilabel",
            "targetExportPlatforms": ",".join(settings.get("targetExportPlatforms") or ()),
        }
        given = {name: value for name, value in parameters.items() if value}
        made = created() or self._send("POST", "projects", recover=created, **given)
        self._ids.put("project", {self._project["id"]: made["id"]})
        return str(made["id"])

    def _create_tags(self, path: str) -> None:
        self.progress.step = "Tags"
        there = {tag["name"].casefold(): tag["id"] for tag in self._target.get(f"{path}/tags")}
        for tag in self._archive.document("tags"):
            known = self._ids.get("tag", tag["id"]) or there.get(tag["name"].casefold())
            if known is None:
                given = {"name": tag["name"], "description": tag.get("description"), "type": tag.get("type")}
                texts = {key: text for key, text in given.items() if text}
                find = partial(self._tag_named, path, tag["name"])
                known = self._send("POST", f"{path}/tags", recover=find, **texts)["id"]
            self._ids.put("tag", {tag["id"]: known})

    def _tag_named(self, path: str, name: str) -> dict[str, Any] | None:
        found: list[dict[str, Any]] = self._target.get(f"{path}/tags")
        return next((tag for tag in found if tag["name"] == name), None)

    def _batches(self) -> Iterator[list[dict[str, Any]]]:
        """The images that are not there yet, in batches within the limits of number and bytes."""
        batch: list[dict[str, Any]] = []
        size = 0
        for image in self._archive.listed(WORKSPACE):
            stored = self._archive.file("image", image["id"])
            if stored is None or self._ids.get("image", image["id"]) is not None:
                continue
            if batch and (len(batch) == IMAGES_PER_BATCH or size + stored.size > _BATCH_BYTES):
                yield batch
                batch, size = [], 0
            batch.append(image)
            size += stored.size
        if batch:
            yield batch

    def _upload(self, path: str, batch: Sequence[dict[str, Any]]) -> None:
        entries = []
        for image in batch:
            stored = self._archive.file("image", image["id"])
            assert stored is not None
            entries.append(
                {
                    "name": image["id"],
                    "contents": base64.b64encode(stored.path.read_bytes()).decode(),
                    "tagIds": self._tags_of(image)[:TAGS_PER_BATCH],
                }
            )
        answer = self._send("POST", f"{path}/images/files", body={"images": entries})
        ids: dict[str, str] = {}
        for item in answer["images"]:
            if item["status"] in _STORED and item.get("image"):
                ids[item["sourceUrl"]] = item["image"]["id"]
            else:
                self.failures.append(f"image {item['sourceUrl']}: {item['status']}")
        more = [
            {"imageId": ids[image["id"]], "tagId": tag}
            for image in batch
            if image["id"] in ids
            for tag in self._tags_of(image)[TAGS_PER_BATCH:]
        ]
        for start in range(0, len(more), IMAGE_TAGS_PER_BATCH):
            self._send(
                "POST", f"{path}/images/tags", body={"tags": more[start : start + IMAGE_TAGS_PER_BATCH]}
            )
        self._ids.put("image", ids)
        self.progress.images += len(batch)

    def _tags_of(self, image: dict[str, Any]) -> list[str]:
        found = (self._ids.get("tag", tag["tagId"]) for tag in image.get("tags") or ())
        return [tag for tag in found if tag is not None]

    def _create_regions(self, path: str) -> None:
        regions = (
            (image["id"], region)
            for image in self._archive.listed(WORKSPACE)
            for region in image.get("regions") or ()
            if self._ids.get("region", region["regionId"]) is None
        )
        while batch := list(islice(regions, REGIONS_PER_BATCH)):
            self._create_batch_of_regions(path, batch)

    def _create_batch_of_regions(self, path: str, batch: Sequence[tuple[str, dict[str, Any]]]) -> None:
        entries: dict[tuple[Any, ...], str] = {}
        body = []
        for image, region in batch:
            image_id, tag_id = self._ids.get("image", image), self._ids.get("tag", region["tagId"])
            key = (image_id, tag_id, *(region[side] for side in _SIDES))
            if image_id is None or tag_id is None or key in entries:
                continue
            entries[key] = region["regionId"]
            body.append({"imageId": image_id, "tagId": tag_id, **{side: region[side] for side in _SIDES}})
        if not body:
            return
        try:
            answer = self._send("POST", f"{path}/images/regions", body={"regions": body})
        except Refused as refused:
            self.failures.append(f"{len(body)} regions: {refused}")
            return
        found = {}
        for item in answer.get("created") or ():
            source = entries.get((item["imageId"], item["tagId"], *(item[side] for side in _SIDES)))
            if source is not None:
                found[source] = item["regionId"]
        missing = {key: source for key, source in entries.items() if source not in found}
        if missing:  # they were created by a request whose response was lost
            found |= self._regions_there(path, missing)
        self._ids.put("region", found)
        for item in answer.get("exceeded") or ():
            self.failures.append(f"a region of image {item['imageId']}: more than an image may have")

    def _regions_there(self, path: str, wanted: dict[tuple[Any, ...], str]) -> dict[str, str]:
        """The ids of regions at the resource, by those in the archive."""
        images = ",".join(sorted({key[0] for key in wanted}))
        found = {}
        for image in self._target.get(f"{path}/images/id", imageIds=images):
            for region in image.get("regions") or ():
                for key, source in wanted.items():
                    sides = zip(key[2:], (region[side] for side in _SIDES), strict=True)
                    is_same = key[:2] == (image["id"], region["tagId"])
                    if is_same and all(abs(one - other) < _ROUNDING for one, other in sides):
                        found[source] = region["regionId"]
        return found

    def _set_metadata(self, path: str) -> None:
        """Set metadata, for all images with the same ones at a time."""
        groups: dict[tuple[tuple[str, str], ...], list[str]] = {}
        for image in self._archive.listed(WORKSPACE):
            image_id = self._ids.get("image", image["id"])
            if image.get("metadata") and image_id is not None:
                groups.setdefault(tuple(sorted(image["metadata"].items())), []).append(image_id)
        for pairs, ids in groups.items():
            for start in range(0, len(ids), IMAGE_IDS_PER_METADATA_UPDATE):
                chosen = ",".join(ids[start : start + IMAGE_IDS_PER_METADATA_UPDATE])
                self._send("POST", f"{path}/images/metadata", body=dict(pairs), imageIds=chosen)

    def _compare(self, path: str) -> None:
        """Compare the numbers of images of the project and of each tag."""
        self.progress.step = "Comparing"
        wanted: dict[str, int] = {}
        images = 0
        for image in self._archive.listed(WORKSPACE):
            if self._archive.file("image", image["id"]) is None:
                self.failures.append(f"image {image['id']}: the archive has no file")
                continue
            images += 1
            for tag in self._tags_of(image):
                wanted[tag] = wanted.get(tag, 0) + 1
        there = self._target.get(f"{path}/images/count")
        if there != images:
            self.failures.append(f"there are {there} images, and {images} in the archive")
        for tag in self._target.get(f"{path}/tags"):
            if tag["imageCount"] != wanted.get(tag["id"], 0):
                self.failures.append(
                    f"the tag {tag['name']!r} has {tag['imageCount']} images, and "
                    f"{wanted.get(tag['id'], 0)} in the archive"
                )

    def _send(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        self.progress.calls += 1
        return self._target.send(method, path, body, **more)


class PushedIds:
    """The ids that a resource gave, by those of the archive; stored in the archive.

    target: of the push; ids of another one are others.
    """

    def __init__(self, archive: PullArchive, target: str) -> None:
        self.target = target
        self._archive = archive
        archive.run(
            "CREATE TABLE IF NOT EXISTS pushed (target TEXT NOT NULL, kind TEXT NOT NULL, "
            "source TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (target, kind, source)) WITHOUT ROWID"
        )

    def get(self, kind: str, source: str) -> str | None:
        row = self._archive.one(
            "SELECT id FROM pushed WHERE target = ? AND kind = ? AND source = ?", self.target, kind, source
        )
        return None if row is None else str(row[0])

    def put(self, kind: str, ids: dict[str, str]) -> None:
        with self._archive.transaction():
            for source, there in ids.items():
                self._archive.run(
                    "INSERT OR REPLACE INTO pushed VALUES (?, ?, ?, ?)", self.target, kind, source, there
                )

    def all(self, kind: str) -> dict[str, str]:
        return dict(
            self._archive.all(
                "SELECT source, id FROM pushed WHERE target = ? AND kind = ? ORDER BY source",
                self.target,
                kind,
            )
        )
