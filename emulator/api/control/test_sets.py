"""Test sets of a project and their images, in the emulator's own API."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import Depends, Request

from emulator.api.base64_contents import decoded
from emulator.api.dependencies import (
    ApiVersion,
    Body,
    Emulator,
    ImageLinks,
    ProjectId,
    TestSetId,
    json_body,
    parsed,
    uploads_in,
)
from emulator.api.parameters import TagIds, TakeAndSkip, flag, guid, guids, repeated_texts
from emulator.api.responses import Links
from emulator.api.routing import OperationRouter, Result, batch_result
from emulator.contract.control import test_sets as shapes
from emulator.contract.form_data import Part
from emulator.contract.test_kit.strict_body import parse_strictly
from emulator.contract.version_differences import image_status
from emulator.contract.versions import Version
from emulator.core.errors import ServiceError
from emulator.core.images.incoming import NewImage
from emulator.core.labels.regions import RegionBox
from emulator.core.test_sets import images as test_images
from emulator.core.test_sets import manage
from emulator.core.test_sets.images import AddedImage, LabeledImage, NewLabeledImage
from emulator.core.test_sets.manage import ListedTestSet
from emulator.gateway.bodies import media_type

router = OperationRouter()

TEST_SETS = "/_emulator/projects/{projectId}/testSets"
TEST_SET = f"{TEST_SETS}/{{testSetId}}"
_Name = Annotated[shapes.TestSetName, json_body(shapes.TestSetName)]


@router.own("POST", TEST_SETS)
def create_test_set(emulator: Emulator, project_id: ProjectId, body: _Name) -> Result:
    return Result(_test_set(manage.create(emulator, project_id, body.name)), 201)


@router.own("GET", TEST_SETS)
def get_test_sets(emulator: Emulator, project_id: ProjectId) -> list[shapes.TestSet]:
    return [_test_set(listed) for listed in manage.list_all(emulator, project_id)]


@router.own("GET", TEST_SET)
def get_test_set(emulator: Emulator, project_id: ProjectId, test_set_id: TestSetId) -> shapes.TestSet:
    return _test_set(manage.get(emulator, project_id, test_set_id))


@router.own("PATCH", TEST_SET)
def rename_test_set(
    emulator: Emulator, project_id: ProjectId, test_set_id: TestSetId, body: _Name
) -> shapes.TestSet:
    return _test_set(manage.rename(emulator, project_id, test_set_id, body.name))


@router.own("DELETE", TEST_SET)
def delete_test_set(emulator: Emulator, project_id: ProjectId, test_set_id: TestSetId) -> None:
    manage.delete(emulator, project_id, test_set_id)


# --- images -------------------------------------------------------------------------------------------------


async def _batch(request: Request, body: Body) -> shapes.LabeledFileBatch | list[Part]:
    """The images of the body: JSON, a multipart form, or the bytes of one image."""
    if media_type(request.headers.get("content-type", "")) == "application/json":
        return await parsed(request, parse_strictly, shapes.LabeledFileBatch, body)
    return await uploads_in(request)


@router.own("POST", f"{TEST_SET}/images", work="images")
def add_test_images(
    emulator: Emulator,
    links: ImageLinks,
    version: ApiVersion,
    project_id: ProjectId,
    test_set_id: TestSetId,
    tag_ids: TagIds,
    tag_names: Annotated[tuple[str, ...], repeated_texts("tagName")],
    batch: Annotated[shapes.LabeledFileBatch | list[Part], Depends(_batch)],
) -> Result:
    if isinstance(batch, list):
        new = [NewLabeledImage(NewImage(name=_file_name(part), source=part.data)) for part in batch]
    else:
        new = [_new_image(place, entry) for place, entry in enumerate(batch.images)]
        tag_ids = (*tag_ids, *(batch.tag_ids or ()))
        tag_names = (*tag_names, *(batch.tag_names or ()))
    added = test_images.add(emulator, project_id, test_set_id, new, tag_ids, tag_names)
    is_complete = all(result.status == "OK" for result in added)
    shown = shapes.AddedImages(
        is_batch_successful=is_complete,
        images=[_added(links, version, project_id, result) for result in added],
    )
    return batch_result(version, shown, complete=is_complete)


@router.own("GET", f"{TEST_SET}/images")
def get_test_images(
    emulator: Emulator,
    links: ImageLinks,
    project_id: ProjectId,
    test_set_id: TestSetId,
    tag_id: Annotated[str | None, guid("tagId")],
    untagged: Annotated[bool, flag("untagged")],
    page: TakeAndSkip,
) -> list[shapes.LabeledImage]:
    take, skip = page
    found = test_images.list_page(
        emulator, project_id, test_set_id, tag_id=tag_id, untagged=untagged, take=take, skip=skip
    )
    return [labeled(links, project_id, image) for image in found]


@router.own("DELETE", f"{TEST_SET}/images")
def delete_test_images(
    emulator: Emulator,
    project_id: ProjectId,
    test_set_id: TestSetId,
    image_ids: Annotated[tuple[str, ...], guids("imageIds", required=True)],
) -> None:
    test_images.delete(emulator, project_id, test_set_id, image_ids)


def labeled(links: Links, project_id: str, image: LabeledImage) -> shapes.LabeledImage:
    row = image.row
    return shapes.LabeledImage(
        id=row.id,
        name=row.name,
        created=row.created,
        width=row.width,
        height=row.height,
        image_uri=links.test_image(project_id, row, "i"),
        thumbnail_uri=links.test_image(project_id, row, "t"),
        tags=[shapes.LabeledTag(tag_id=tag_id, tag_name=name) for tag_id, name in image.tags.items()],
        regions=[
            shapes.LabeledBox(
                tag_id=marked.box.tag_id,
                tag_name=marked.tag_name,
                left=marked.box.left,
                top=marked.box.top,
                width=marked.box.width,
                height=marked.box.height,
            )
            for marked in image.boxes
        ],
        also_in_training=image.also_in_training,
    )


def _test_set(listed: ListedTestSet) -> shapes.TestSet:
    row = listed.row
    return shapes.TestSet(
        id=row.id,
        project_id=row.project_id,
        name=row.name,
        created=row.created,
        last_modified=row.last_modified,
        revision=row.revision,
        image_count=row.image_count,
        untagged_image_count=listed.untagged_count,
        tags=[shapes.CountedTag(**tag._asdict()) for tag in listed.tags],
    )


def _added(links: Links, version: Version, project_id: str, result: AddedImage) -> shapes.AddedImage:
    image = result.image
    return shapes.AddedImage(
        source_url=result.name,
        status=image_status(result.status, version),
        reason=result.reason,
        image=None if image is None else labeled(links, project_id, image),
    )


def _file_name(part: Part) -> str | None:
    """The name of a file without the quotes of the header, as browsers escape it."""
    if part.file_name is None:
        return None
    return part.file_name.strip('"').replace("%22", '"') or None


def _new_image(place: int, entry: shapes.LabeledFile) -> NewLabeledImage:
    regions = entry.regions or []
    for number, region in enumerate(regions):
        if (region.tag_id is None) == (region.tag_name is None):
            raise ServiceError(
                "BadRequest",
                f"images[{place}].regions[{number}] has the tag by either tagId or tagName: one of the two.",
            )
    return NewLabeledImage(
        NewImage(
            name=entry.name,
            source=decoded(entry.contents),
            tag_ids=tuple(entry.tag_ids or ()),
            boxes=_boxes(regions),
        ),
        tag_names=tuple(entry.tag_names or ()),
        box_tag_names=tuple(region.tag_name for region in regions),
    )


def _boxes(regions: Sequence[shapes.LabeledRegion]) -> tuple[RegionBox, ...]:
    return tuple(
        RegionBox(region.tag_id or "", region.left, region.top, region.width, region.height)
        for region in regions
    )
