"""Images of test sets with their labels: adding, listing, deleting them.

They are checked like images of a project, and refused with the same statuses. They are no images of the
project: no operation of the service lists, counts or trains on them.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from sqlalchemy import exists
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from emulator.core import lookup, quotas
from emulator.core.blob_sweep import sweep_blobs
from emulator.core.context import Context
from emulator.core.images import incoming
from emulator.core.images.incoming import AddedLabels, NewImage, Prepared, Refusal
from emulator.core.labels.regions import RegionBox
from emulator.core.rules.limits import IMAGE_IDS_PER_QUERY, NAME_LENGTH
from emulator.core.rules.validation import check_batch_size
from emulator.core.test_sets.manage import find
from emulator.store.batches import batches
from emulator.store.tables import Image, Project, Tag
from emulator.store.test_set_tables import TestImage, TestLabel, TestSet

NO_IMAGES = "No valid image files"


@dataclass(frozen=True)
class MarkedBox:
    """A labeled object. box: with the id of its tag."""

    tag_name: str
    box: RegionBox


@dataclass(frozen=True)
class LabeledImage:
    """An image of a test set. tags: names by id, also of its boxes.

    also_in_training: whether the workspace of the project has the same image, on which a training is likely.
    """

    row: TestImage
    tags: dict[str, str] = field(default_factory=dict)
    boxes: list[MarkedBox] = field(default_factory=list)
    also_in_training: bool = False


class NewLabeledImage(NamedTuple):
    """One image of a batch, whose tags may be given by their names in any case.

    box_tag_names: the names of the tags of `new.boxes`; None where the box has the id of its tag.
    """

    new: NewImage
    tag_names: tuple[str, ...] = ()
    box_tag_names: tuple[str | None, ...] = ()


class AddedImage(NamedTuple):
    """The result for one image of a batch. status: one of the contract's ImageCreateStatus."""

    name: str | None
    status: str
    reason: str = ""
    image: LabeledImage | None = None


def add(
    context: Context,
    project_id: str,
    test_set_id: str,
    images: Sequence[NewLabeledImage],
    tag_ids: Sequence[str] = (),
    tag_names: Sequence[str] = (),
) -> list[AddedImage]:
    """Add a batch of images, each with the tags of the batch and its own.

    Images fail one by one, and the whole batch is refused, as in `core.images.upload.create`. An image that
    the test set has already gets the new tags and boxes (``OKDuplicate``). An image of the project is
    accepted.
    """
    with context.database.read() as session:
        find(session, project_id, test_set_id)
    plain = [image.new for image in images]
    incoming.check_batch(context, project_id, plain, [*tag_ids, *tag_names], NO_IMAGES)
    prepared = incoming.prepare(context, project_id, plain, NO_IMAGES)
    results = _insert(context, project_id, test_set_id, images, prepared, tuple(tag_ids), tuple(tag_names))
    for index, result in enumerate(results):
        incoming.note_refused(index, result.name, result.status, result.reason)
    return results


def list_page(
    context: Context,
    project_id: str,
    test_set_id: str,
    *,
    tag_id: str | None = None,
    untagged: bool = False,
    take: int,
    skip: int,
) -> list[LabeledImage]:
    """`take` images after the first `skip`, oldest first. tag_id: only those with the tag."""
    with context.database.read() as session:
        row = find(session, project_id, test_set_id)
        statement = select(TestImage).where(TestImage.test_set_id == row.id)
        labels = exists().where(col(TestLabel.image_number) == col(TestImage.number))
        if tag_id is not None:
            statement = statement.where(labels.where(col(TestLabel.tag_id) == tag_id))
        if untagged:
            statement = statement.where(~labels)
        page = statement.order_by(col(TestImage.number)).offset(skip).limit(take)
        return with_labels(session, project_id, session.exec(page).all())


def delete(context: Context, project_id: str, test_set_id: str, image_ids: Sequence[str]) -> None:
    """Delete images of a test set. Unknown ids are ignored."""
    check_batch_size("The request names", len(image_ids), "images", IMAGE_IDS_PER_QUERY)
    with context.database.write() as session:
        test_set = find(session, project_id, test_set_id)
        here = (TestImage.test_set_id == test_set_id, col(TestImage.id).in_(image_ids))
        rows = session.exec(select(TestImage).where(*here)).all()
        if not rows:
            return
        for row in rows:
            session.delete(row)
        test_set.image_count -= len(rows)
        _change(context, session, test_set)
    sweep_blobs(context, {row.blob for row in rows})


def with_labels(session: Session, project_id: str, rows: Sequence[TestImage]) -> list[LabeledImage]:
    """The images, each with its labels."""
    tags: dict[int, dict[str, str]] = {}
    boxes: dict[int, list[MarkedBox]] = {}
    columns: list[Any] = [TestLabel.image_number, TestLabel.tag_id, Tag.name]
    columns += [TestLabel.left, TestLabel.top, TestLabel.width, TestLabel.height]
    numbers = [row.number or 0 for row in rows]
    for batch in batches(numbers):
        found = session.execute(
            select_columns(*columns)
            .join(Tag, col(Tag.id) == TestLabel.tag_id)
            .where(col(TestLabel.image_number).in_(batch))
            .order_by(col(TestLabel.number))
        )
        for number, tag_id, tag_name, *places in found:
            tags.setdefault(number, {})[tag_id] = tag_name
            if places[0] is not None:
                boxes.setdefault(number, []).append(MarkedBox(tag_name, RegionBox(tag_id, *places)))
    shared = images_of_workspace(session, project_id, [row.blob for row in rows])
    return [
        LabeledImage(
            row=row,
            tags=tags.get(row.number or 0, {}),
            boxes=boxes.get(row.number or 0, []),
            also_in_training=row.blob in shared,
        )
        for row in rows
    ]


def images_of_workspace(session: Session, project_id: str, blobs: Sequence[str]) -> set[str]:
    """Those of the blobs that images of the project's workspace have."""
    found: set[str] = set()
    for batch in batches(blobs):
        some = col(Image.blob).in_(batch)
        here = (Image.project_id == project_id, col(Image.removed).is_(None))
        found.update(session.exec(select(Image.blob).where(*here, some)))
    return found


def _change(context: Context, session: Session, test_set: TestSet) -> None:
    """Note a change, after which evaluations are stale."""
    test_set.revision += 1
    test_set.last_modified = context.clock.now()
    session.add(test_set)


def _insert(
    context: Context,
    project_id: str,
    test_set_id: str,
    images: Sequence[NewLabeledImage],
    prepared: list[Prepared],
    tag_ids: tuple[str, ...],
    tag_names: tuple[str, ...],
) -> list[AddedImage]:
    blobs = {item.blob for item in prepared if item.blob}
    try:
        with context.database.write() as session:
            test_set = find(session, project_id, test_set_id)
            project = lookup.project(session, project_id)
            known = lookup.workspace_tags(session, project_id)
            ids = {tag.name.casefold(): tag.id for tag in known.values()}
            adding = _Adding(
                context=context,
                session=session,
                project=project,
                test_set=test_set,
                known=known,
                present=_present(session, project_id, test_set_id, blobs),
                of_workspace=images_of_workspace(session, project_id, sorted(blobs)),
            )
            results = []
            for image, item in zip(images, prepared, strict=True):
                if item.status == "OK":
                    _resolve(item, image, tag_names, ids)
                results.append(adding.add(item, item.wanted(tag_ids)))
            if any(item.changed for item in prepared):
                _change(context, session, test_set)
    except BaseException:
        sweep_blobs(context, blobs)
        raise
    rejected = {item.blob for item, result in zip(prepared, results, strict=True) if result.image is None}
    sweep_blobs(context, rejected - {""})
    return results


def _resolve(item: Prepared, image: NewLabeledImage, tag_names: tuple[str, ...], ids: dict[str, str]) -> None:
    """Replace names of tags by ids. ids: by casefolded name."""
    of_boxes = [name for name in image.box_tag_names if name is not None]
    names = [*tag_names, *image.tag_names]
    unknown = dict.fromkeys(name for name in (*names, *of_boxes) if name.strip().casefold() not in ids)
    if unknown:
        shown = ", ".join(f"'{name}'" for name in unknown)
        item.status, item.reason = "ErrorInvalidTag", f"the project has no tag named {shown}"
        return
    box_names = image.box_tag_names or (None,) * len(image.new.boxes)
    item.new = image.new._replace(
        tag_ids=(*image.new.tag_ids, *(ids[name.strip().casefold()] for name in names)),
        boxes=tuple(
            box if name is None else replace(box, tag_id=ids[name.strip().casefold()])
            for box, name in zip(image.new.boxes, box_names, strict=True)
        ),
    )


def _present(
    session: Session, project_id: str, test_set_id: str, blobs: Collection[str]
) -> dict[str, LabeledImage]:
    """The images that the test set has already, by their blobs."""
    statement = select(TestImage).where(TestImage.test_set_id == test_set_id, col(TestImage.blob).in_(blobs))
    rows = session.exec(statement).all()
    return {image.row.blob: image for image in with_labels(session, project_id, rows)}


@dataclass(frozen=True)
class _Adding:
    """The adding of a batch in one transaction.

    known: the tags of the project, by id. present: the images that the test set has, by their blobs.
    of_workspace: the blobs that images of the project have.
    """

    context: Context
    session: Session
    project: Project
    test_set: TestSet
    known: dict[str, Tag]
    present: dict[str, LabeledImage]
    of_workspace: Collection[str]

    def add(self, item: Prepared, wanted: tuple[str, ...]) -> AddedImage:
        if item.status != "OK":
            return AddedImage(item.new.name, item.status, item.reason)
        image = self.present.get(item.blob)
        is_new = image is None
        labels = incoming.added_labels(
            self.project,
            self.known,
            wanted,
            item.new.boxes,
            present_tags=() if image is None else [tag_id for tag_id in image.tags if tag_id in self.known],
            present_boxes=() if image is None else {marked.box for marked in image.boxes},
        )
        if isinstance(labels, Refusal):
            return AddedImage(item.new.name, *labels)
        if image is None:
            if not quotas.has_room_for_image(self.context, self.test_set):
                return AddedImage(
                    item.new.name, "ErrorLimitExceed", quotas.image_limit(self.context, self.test_set)
                )
            image = self._new_image(item)
        item.changed = is_new or bool(labels.tags or labels.boxes)
        self.present[item.blob] = image = _labeled(self.session, image, labels, self.known)
        if is_new:
            return AddedImage(item.new.name, "OK", "", image)
        reason = f"the test set has these bytes already, as image {image.row.id}"
        return AddedImage(item.new.name, "OKDuplicate", reason, image)

    def _new_image(self, item: Prepared) -> LabeledImage:
        if not self.context.blobs.exists(item.blob):  # swept meanwhile, since no row referred to it
            self.context.blobs.put(item.data)
        row = TestImage(
            id=self.context.ids.new(),
            test_set_id=self.test_set.id,
            name=None if item.new.name is None else item.new.name[:NAME_LENGTH],
            blob=item.blob,
            size=len(item.data),
            width=item.width,
            height=item.height,
            created=self.context.clock.now(),
        )
        self.session.add(row)
        self.test_set.image_count += 1
        return LabeledImage(row, also_in_training=item.blob in self.of_workspace)


def _labeled(
    session: Session, image: LabeledImage, labels: AddedLabels, known: dict[str, Tag]
) -> LabeledImage:
    """The image with the added labels, whose rows are added to the session."""
    boxed = {box.tag_id for box in labels.boxes}
    for tag in labels.tags:
        if tag.id not in boxed:
            session.add(TestLabel(image=image.row, tag_id=tag.id))
    for box in labels.boxes:
        session.add(
            TestLabel(
                image=image.row,
                tag_id=box.tag_id,
                left=box.left,
                top=box.top,
                width=box.width,
                height=box.height,
            )
        )
    return replace(
        image,
        tags=image.tags | {tag.id: tag.name for tag in labels.tags},
        boxes=[*image.boxes, *(MarkedBox(known[box.tag_id].name, box) for box in labels.boxes)],
    )
