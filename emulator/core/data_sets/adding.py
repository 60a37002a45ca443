"""Adding checked images with their labels to a project, in one transaction; or finding out what that does.

The same data set added twice changes nothing: images are known by their bytes, tags by their names, and boxes
by their tags and sides.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import insert
from sqlalchemy import update as update_rows
from sqlmodel import Session, col, select

from emulator.core import blob_checks, lookup, quotas
from emulator.core.context import Context
from emulator.core.data_sets.checking import CheckedImage
from emulator.core.errors import ServiceError
from emulator.core.images import incoming
from emulator.core.images import metadata as image_metadata
from emulator.core.images.incoming import Refusal
from emulator.core.images.tagged import TaggedImage, with_tags
from emulator.core.labels.regions import RegionBox
from emulator.core.revisions import revisions
from emulator.core.revisions.views import View
from emulator.core.rules import domains
from emulator.core.rules.limits import DESCRIPTION_LENGTH
from emulator.core.rules.validation import checked_name
from emulator.core.scored_rows import suggestion_rows
from emulator.data_sets.record import NEGATIVE, REGULAR, DataSet, Problems, TagInfo
from emulator.store.batches import batches
from emulator.store.expressions import new_image_numbers
from emulator.store.tables import Image, ImageTag, Project, Region, Tag

# A box whose edges are at most this far from those of a box of the project is that box, rounded by a format.
_SAME_PIXELS = 0.51


@dataclass
class Added:
    """What an import adds, or would add. tags: names of new tags."""

    new_images: int = 0
    known_images: int = 0
    changed_images: int = 0
    boxes: int = 0
    tags: list[str] = field(default_factory=list)


class _NewTag(NamedTuple):
    image_number: int
    tag_id: str


class _NewRegion(NamedTuple):
    id: str
    image_number: int
    box: RegionBox


@dataclass
class _Rows:
    """The rows to be added. Those of tags and regions become dictionaries in batches, which are larger."""

    images: list[dict[str, Any]] = field(default_factory=list)
    tags: list[_NewTag] = field(default_factory=list)
    regions: list[_NewRegion] = field(default_factory=list)
    # Counts of new tags of images of the project, by the numbers of the images.
    tagged: dict[int, int] = field(default_factory=dict)
    touched: set[int] = field(default_factory=set)


class Addition:
    """The adding of a data set to a project, within a session.

    project: may be new, and is not in the session then. problems: gets what the rules of projects refuse.
    """

    def __init__(
        self, context: Context, session: Session, project: Project, data: DataSet, problems: Problems
    ) -> None:
        self._context, self._session, self.project = context, session, project
        self._data, self._problems = data, problems
        self._known = lookup.workspace_tags(session, project.id)
        self._new_tags: list[Tag] = []
        self._rows = _Rows()
        self._now = context.clock.now()
        self.added = Added()

    def prepare(self, images: Sequence[CheckedImage]) -> None:
        """Find out what is added. Nothing is written."""
        used = {tag for image in images for tag in image.tags}
        used |= {box.tag for image in images for box in image.boxes}
        ids = self._tag_ids(used)
        free = self._free_ids(images)
        numbers = new_image_numbers(self._session)
        for batch in batches(images):
            present = self._present(batch)
            for image in batch:
                self._image(image, ids, present.get(image.blob), free, numbers)
        try:
            quotas.check_import(
                self._context,
                self.project.image_count + self.added.new_images,
                len(self._known),
                self.project.resource,
            )
        except ServiceError as error:
            self._problems.error(error.message)

    def store(self, read: Callable[[CheckedImage], bytes], images: Sequence[CheckedImage]) -> None:
        """Write what `prepare` found. read: the bytes of an image, which may have been swept meanwhile."""
        rows, project, session = self._rows, self.project, self._session
        if not (rows.images or rows.tags or rows.regions or self._new_tags):
            return
        by_blob = {image.blob: image for image in images}
        for blob in blob_checks.missing(self._context, session, by_blob):
            self._context.blobs.put(read(by_blob[blob]))
            blob_checks.go_on(self._context, session)
        revision = revisions.next_revision(self._context, project, rows.touched)
        for tag in self._new_tags:
            tag.born = revision
        session.add_all([project, *self._new_tags])
        session.flush()
        shared = {"created": self._now, "born": revision}
        for images_batch in batches(rows.images):
            session.execute(insert(Image), [row | shared for row in images_batch])
        for tags_batch in batches(rows.tags):
            session.execute(insert(ImageTag), [one._asdict() | shared for one in tags_batch])
        for regions_batch in batches(rows.regions):
            session.execute(insert(Region), [_region(one) | shared for one in regions_batch])
        for number, count in rows.tagged.items():
            counted = col(Image.tag_count) + count
            session.execute(update_rows(Image).where(col(Image.number) == number).values(tag_count=counted))
        for some in batches(rows.tagged):
            suggestion_rows.remove_of_images(self._context, session, some)
        session.flush()
        revisions.recount(session, project)

    # Tags

    def _tag_ids(self, used: set[str]) -> dict[str, str]:
        """The id of each tag of the data set, by its name there."""
        by_name = {tag.name.casefold(): tag for tag in self._known.values()}
        negative = next((tag for tag in self._known.values() if tag.type == NEGATIVE), None)
        wanted = [tag for tag in self._data.tags.values() if tag.name in used or tag.id is not None]
        self._problems.note("Tags of no image are left out.", count=len(self._data.tags) - len(wanted))
        free = _free(self._session, Tag, [tag.id for tag in wanted if tag.id is not None])
        found = {}
        for info in wanted:
            known = by_name.get(info.name.strip().casefold())
            if known is None and info.type == NEGATIVE:
                known = negative
            if known is None:
                known = self._new_tag(info, free)
                by_name[known.name.casefold()] = known
                self._known[known.id] = known
                negative = known if known.type == NEGATIVE else negative
            elif known.type != info.type and NEGATIVE in (known.type, info.type):
                self._problems.note(f"The tag '{known.name}' of the project stays of the type {known.type}.")
            found[info.name] = known.id
        return found

    def _new_tag(self, info: TagInfo, free: set[str]) -> Tag:
        name, kind = info.name, info.type
        domain = domains.get(self.project.domain_id)
        if (kind == NEGATIVE and domain.type != "Classification") or (
            kind == "GeneralProduct" and domain.name != "Products on Shelves"
        ):
            self._problems.note(f"The tag '{info.name}' becomes {REGULAR}: the domain has no {kind} tags.")
            kind = REGULAR
        try:
            name = checked_name(info.name, "BadRequestTagName", "tag")
        except ServiceError as error:
            self._problems.error(f"The tag '{info.name[:50]}' cannot be created. {error.message}")
        tag = Tag(
            id=info.id if info.id in free else self._context.ids.new(),
            project_id=self.project.id,
            name=name,
            description=(info.description or "")[:DESCRIPTION_LENGTH] or None,
            type=kind,
            born=0,
        )
        self._new_tags.append(tag)
        self.added.tags.append(name)
        return tag

    # Images

    def _present(self, images: Sequence[CheckedImage]) -> dict[str, TaggedImage]:
        """The images that the project has already, by their blobs."""
        view, blobs = View(self.project), [image.blob for image in images]
        found = self._session.exec(select(Image).where(*view.images, col(Image.blob).in_(blobs))).all()
        present = {tagged.image.blob: tagged for tagged in with_tags(self._session, view, found)}
        for row in found:
            self._session.expunge(row)
        return present

    def _free_ids(self, images: Sequence[CheckedImage]) -> set[str]:
        """The ids of images and boxes of the data set that nothing has yet."""
        session = self._session
        free = _free(session, Image, [image.labels.id for image in images if image.labels.id is not None])
        regions = [box.id for image in images for box in image.boxes if box.id is not None]
        return free | _free(session, Region, regions)

    def _image(
        self,
        image: CheckedImage,
        ids: dict[str, str],
        present: TaggedImage | None,
        free: set[str],
        numbers: Iterator[int],
    ) -> None:
        place = image.labels.place
        drawn = [] if present is None else [region.box for region in present.regions]
        boxes = self._boxes(image, ids, drawn)
        wanted = dict.fromkeys([ids[tag] for tag in image.tags] + [box.tag_id for box in boxes])
        labels = incoming.added_labels(
            self.project,
            self._known,
            list(wanted),
            tuple(boxes),
            present_tags=() if present is None else [tag.tag_id for tag in present.tags],
            present_boxes=set(drawn),
        )
        if isinstance(labels, Refusal):
            self._problems.error(f"'{image.labels.file}': {labels.reason}.", place)
            return
        metadata = image.labels.metadata or None
        try:
            image_metadata.check(metadata or {})
        except ServiceError as error:
            self._problems.error(error.message, place)
            return
        if present is None:
            number = next(numbers)
            self.added.new_images += 1
            self._rows.images.append(
                {
                    "number": number,
                    "id": _taken(free, image.labels.id) or self._context.ids.new(),
                    "project_id": self.project.id,
                    "blob": image.blob,
                    "size": image.size,
                    "width": image.width,
                    "height": image.height,
                    "metadata_": metadata,
                    "tag_count": len(labels.tags),
                }
            )
        else:
            assert present.image.number is not None
            number = present.image.number
            self.added.known_images += 1
            self.added.changed_images += bool(labels.tags or labels.boxes)
            if labels.tags:
                self._rows.tagged[number] = len(labels.tags)
        if present is None or labels.tags or labels.boxes:
            self._rows.touched.add(number)
        self.added.boxes += len(labels.boxes)
        self._rows.tags += [_NewTag(number, tag.id) for tag in labels.tags]
        self._rows.regions += [
            _NewRegion(_taken(free, boxes.get(box)) or self._context.ids.new(), number, box)
            for box in labels.boxes
        ]

    def _boxes(
        self, image: CheckedImage, ids: dict[str, str], drawn: Sequence[RegionBox]
    ) -> dict[RegionBox, str | None]:
        """The boxes that the image does not have yet, as they are stored, with their ids in the data set."""
        found: dict[RegionBox, str | None] = {}
        for box in image.boxes:
            rounded = RegionBox(ids[box.tag], box.left, box.top, box.width, box.height).rounded()
            if rounded is None:
                self._problems.note("Boxes without an area in the image are left out.", image.labels.place)
            elif not any(_is_same(rounded, other, image.width, image.height) for other in drawn):
                found.setdefault(rounded, box.id)
        return found


def _region(region: _NewRegion) -> dict[str, Any]:
    """The row of a region, without what all have."""
    box = region.box
    return {
        "id": region.id,
        "image_number": region.image_number,
        "tag_id": box.tag_id,
        "left": box.left,
        "top": box.top,
        "width": box.width,
        "height": box.height,
    }


def _is_same(box: RegionBox, other: RegionBox, width: int, height: int) -> bool:
    if box.tag_id != other.tag_id:
        return False
    across, down = _SAME_PIXELS / width, _SAME_PIXELS / height
    return (
        abs(box.left - other.left) <= across
        and abs(box.top - other.top) <= down
        and abs(box.left + box.width - other.left - other.width) <= across
        and abs(box.top + box.height - other.top - other.height) <= down
    )


def _free(session: Session, table: type[Image] | type[Tag] | type[Region], ids: Sequence[str]) -> set[str]:
    """Those of the ids that no row of the table has."""
    taken: set[str] = set()
    for batch in batches(ids):
        taken.update(session.exec(select(table.id).where(col(table.id).in_(batch))))
    return set(ids) - taken


def _taken(free: set[str], id: str | None) -> str | None:
    """The id, if it is free; it is not free any longer."""
    if id is None or id not in free:
        return None
    free.discard(id)
    return id
