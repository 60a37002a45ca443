"""Listing and counting images by view, tagging status, tags and metadata, in pages."""

from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Select, exists, literal_column
from sqlmodel import Session, col, select

from emulator.core import lookup
from emulator.core.context import Context
from emulator.core.images.filters import Expression
from emulator.core.images.tagged import TaggedImage, with_tags
from emulator.core.revisions import revisions
from emulator.core.revisions.views import View, open_view
from emulator.core.rules.limits import IMAGE_IDS_PER_QUERY, TAGS_PER_BATCH
from emulator.core.rules.validation import check_batch_size
from emulator.store.expressions import json_text, numbers_as_json
from emulator.store.tables import Image, ImageTag, Tag

# Up to this offset the database skips rows faster than the numbers of all images are read.
_MAX_OFFSET = 512
# Distinct metadata whose result is remembered while a list is filtered.
_MAX_DECIDED = 10_000
# Spelled like the conditions of the partial indexes, so that SQLite uses them.
_TAGGED: ColumnElement[bool] = literal_column("(image.tag_count > 0)")
_UNTAGGED: ColumnElement[bool] = literal_column("(image.tag_count = 0)")


@dataclass(frozen=True)
class Filter:
    """Selects images of a view. tagging_status: All, Tagged or Untagged. tag_ids: images with any of these
    tags, in any order, repeated or not.
    """

    tagging_status: str = "All"
    tag_ids: tuple[str, ...] = ()
    metadata: Expression | None = None

    def __post_init__(self) -> None:
        # As with all limits, a repeated id counts each time.
        check_batch_size("The request names", len(self.tag_ids), "tags", TAGS_PER_BATCH)
        # Equivalent filters are equal, since they are keys of the image index.
        object.__setattr__(self, "tag_ids", tuple(sorted(set(self.tag_ids))))


def list_page(
    context: Context,
    project_id: str,
    iteration_id: str | None,
    chosen: Filter,
    *,
    newest_first: bool = True,
    take: int,
    skip: int,
) -> list[TaggedImage]:
    """`take` images after the first `skip`, sorted by creation."""
    with context.database.read() as session:
        view = open_view(session, project_id, iteration_id)
        number = col(Image.number)
        if skip <= _MAX_OFFSET and view.is_workspace and not (chosen.tag_ids or chosen.metadata):
            statement = (
                select(Image)
                .where(*_conditions(view, chosen))
                .order_by(number.desc() if newest_first else number)
                .limit(take)
                .offset(skip)
            )
            return with_tags(session, view, session.exec(statement).all())
        numbers = _image_numbers(context, session, view, chosen)
        return page_of(session, view, numbers, newest_first=newest_first, take=take, skip=skip)


def page_of(
    session: Session, view: View, numbers: "array[int]", *, newest_first: bool, take: int, skip: int
) -> list[TaggedImage]:
    """`take` images after the first `skip` of those with the ascending `numbers`."""
    if newest_first:
        page = numbers[max(0, len(numbers) - skip - take) : max(0, len(numbers) - skip)]
    else:
        page = numbers[skip : skip + take]
    number = col(Image.number)
    order = number.desc() if newest_first else number
    statement = select(Image).where(number.in_(page.tolist())).order_by(order)
    return with_tags(session, view, session.exec(statement).all())


def count(context: Context, project_id: str, iteration_id: str | None, chosen: Filter) -> int:
    if iteration_id is None and not chosen.tag_ids and chosen.metadata is None:
        project = lookup.shown_project(context.database, project_id)
        untagged = project.image_count - project.tagged_count
        by_status = {"Tagged": project.tagged_count, "Untagged": untagged}
        return by_status.get(chosen.tagging_status, project.image_count)
    with context.database.read() as session:
        view = open_view(session, project_id, iteration_id)
        is_of_tag = len(chosen.tag_ids) == 1 and chosen.tagging_status != "Untagged"
        if view.is_workspace and chosen.metadata is None and is_of_tag:
            tag = session.get(Tag, chosen.tag_ids[0])
            here = tag is not None and tag.project_id == project_id and tag.removed is None
            return tag.image_count if tag is not None and here else 0
        return len(_image_numbers(context, session, view, chosen))


def by_ids(
    context: Context, project_id: str, iteration_id: str | None, image_ids: Sequence[str]
) -> list[TaggedImage]:
    """The images with these ids, oldest first; ids that are not in the view are ignored."""
    check_batch_size("The request names", len(image_ids), "images", IMAGE_IDS_PER_QUERY)
    with context.database.read() as session:
        view = open_view(session, project_id, iteration_id)
        statement = (
            select(Image)
            .where(Image.project_id == project_id, col(Image.id).in_(set(image_ids)), view.holds(Image))
            .order_by(col(Image.number))
        )
        return with_tags(session, view, session.exec(statement).all())


def numbers_with_blobs(
    context: Context,
    session: Session,
    view: View,
    tag_ids: tuple[str, ...],
    blobs: Collection[str],
    name: str,
) -> "array[int]":
    """The ascending numbers of the images of a view whose blob is one of `blobs`, with any of the tags (all
    images when empty). name: identifies `blobs` in the key of the index.
    """
    project = view.project
    chosen = Filter(tag_ids=tag_ids)

    def read(among: Collection[int] | None) -> Iterable[int]:
        statement = select(Image.number, Image.blob).where(*_conditions(view, chosen))
        if among is not None:
            statement = statement.where(col(Image.number).in_(among))
        return sorted(number or 0 for number, blob in session.execute(statement) if blob in blobs)

    key = (project.id, view.revision, name, chosen.tag_ids)
    return context.image_index.get(project.id, revisions.changes(project), key, read)


def _conditions(view: View, chosen: Filter) -> list[ColumnElement[bool]]:
    conditions = view.images
    if chosen.tagging_status == "Tagged":
        conditions.append(_TAGGED if view.is_workspace else _has_tag(view, ()))
    elif chosen.tagging_status == "Untagged":
        conditions.append(_UNTAGGED if view.is_workspace else ~_has_tag(view, ()))
    if chosen.tag_ids:
        conditions.append(_has_tag(view, chosen.tag_ids))
    return conditions


def _has_tag(view: View, tag_ids: tuple[str, ...]) -> ColumnElement[bool]:
    """The condition that an image has a tag in the view: one of `tag_ids`, any tag when empty."""
    rows = exists().where(col(ImageTag.image_number) == col(Image.number), view.holds(ImageTag))
    return rows.where(col(ImageTag.tag_id).in_(tag_ids)) if tag_ids else rows


def _image_numbers(context: Context, session: Session, view: View, chosen: Filter) -> "array[int]":
    project, number = view.project, col(Image.number)
    key = (project.id, view.revision, chosen)

    def read(among: Collection[int] | None) -> Iterable[int]:
        if chosen.metadata is not None:
            return _matching(session, view, chosen, [] if among is None else [number.in_(among)])
        statement = _numbers(view, chosen, among).subquery()
        text = session.scalar(select(numbers_as_json(statement.c.number)))
        return sorted(orjson.loads(text or "[]"))

    return context.image_index.get(project.id, revisions.changes(project), key, read)


def _numbers(view: View, chosen: Filter, among: Collection[int] | None) -> Select[Any]:
    """The distinct numbers of the chosen images of a view; among: only of these."""
    if not chosen.tag_ids or chosen.tagging_status == "Untagged":
        statement: Select[Any] = select(col(Image.number).label("number")).where(*_conditions(view, chosen))
        return statement if among is None else statement.where(col(Image.number).in_(among))
    # By way of the tags, so that only images with them are read. Deleted images have no tags.
    number = col(ImageTag.image_number)
    known = select(Tag.id).where(Tag.project_id == view.project.id, col(Tag.id).in_(chosen.tag_ids))
    bearers: Select[Any] = select(number.label("number")).distinct()
    bearers = bearers.where(col(ImageTag.tag_id).in_(known), view.holds(ImageTag))
    return bearers if among is None else bearers.where(number.in_(among))


def _matching(
    session: Session, view: View, chosen: Filter, narrowed: Sequence[ColumnElement[bool]]
) -> Iterator[int]:
    """The numbers of the images whose metadata match, ascending.

    Evaluated here, since SQLite's JSON paths cannot express every key. Many images have the same metadata (a
    batch shares them), so the result for each text is remembered.
    """
    assert chosen.metadata is not None
    text = json_text(col(Image.metadata_))
    conditions = [*_conditions(view, chosen), *narrowed]
    statement = select(Image.number, text).where(*conditions).order_by(col(Image.number))
    decided: dict[str | None, bool] = {}
    for number, stored in session.execute(statement):
        if stored not in decided:
            if len(decided) > _MAX_DECIDED:
                decided.clear()
            decided[stored] = chosen.metadata.matches(orjson.loads(stored or "null") or {})
        if decided[stored]:
            yield number
