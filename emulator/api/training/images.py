"""CreateImagesFromData, -Files, -Urls, -Predictions; listing, counting and deleting images."""

from collections.abc import Callable, Sequence
from typing import Annotated, NamedTuple

from fastapi import Depends, Request

from emulator.api import responses
from emulator.api.base64_contents import decoded
from emulator.api.dependencies import (
    ApiVersion,
    Emulator,
    ImageLinks,
    ProjectId,
    UploadedImages,
    json_body,
)
from emulator.api.parameters import (
    OfIteration,
    OrderedPage,
    Page,
    TagIds,
    choice,
    flag,
    guids,
    guids_in,
    text_in,
)
from emulator.api.responses import Links
from emulator.api.routing import OperationRouter, Result, batch_result
from emulator.api.training.regions import box_of
from emulator.contract import requests
from emulator.contract import responses as shapes
from emulator.contract.version_differences import metadata_limits
from emulator.contract.versions import Version
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.images import delete as deletion
from emulator.core.images import filters, listing
from emulator.core.images import upload as images
from emulator.core.images.filters import Expression
from emulator.core.images.incoming import NewImage
from emulator.core.images.listing import Filter
from emulator.core.images.sources import FromPrediction, FromUrl
from emulator.core.labels.regions import RegionBox
from emulator.core.rules.limits import MetadataLimits

router = OperationRouter()

# Messages of the service for batches without entries.
_NO_FILES = "No valid image files"
_NO_URLS = "No image urls provided"
_NO_PREDICTIONS = "No image ids provided"
_TAGGING_STATUSES = ("All", "Tagged", "Untagged")
_Batch = requests.ImageFileCreateBatch | requests.ImageUrlCreateBatch | requests.ImageIdCreateBatch


def _empty_batch(message: str) -> Callable[[requests.Malformed], ServiceError]:
    # The service treats a batch that cannot be parsed as an empty one.
    return lambda _malformed: ServiceError("BadRequestImageBatch", message)


# --- adding -------------------------------------------------------------------------------------------------


@router.operation("CreateImagesFromData", work="images")
def create_images_from_data(
    emulator: Emulator,
    links: ImageLinks,
    version: ApiVersion,
    project_id: ProjectId,
    tag_ids: TagIds,
    uploads: UploadedImages,
) -> Result:
    new = [NewImage(name=upload.file_name, source=upload.data) for upload in uploads]
    results = images.create(emulator, project_id, new, tag_ids, nothing_valid=_NO_FILES)
    return _created(links, version, results)


@router.operation("CreateImagesFromFiles", work="images")
def create_images_from_files(
    emulator: Emulator,
    links: ImageLinks,
    version: ApiVersion,
    project_id: ProjectId,
    batch: Annotated[
        requests.ImageFileCreateBatch,
        json_body(requests.ImageFileCreateBatch, error=_empty_batch(_NO_FILES)),
    ],
) -> Result:
    new = [
        NewImage(
            name=entry.name,
            source=decoded(entry.contents),
            tag_ids=tuple(entry.tag_ids or ()),
            boxes=_boxes(entry.regions),
        )
        for entry in batch.images or ()
    ]
    return _create_batch(emulator, links, version, project_id, batch, new, _NO_FILES)


@router.operation("CreateImagesFromUrls", work="url batch")
def create_images_from_urls(
    emulator: Emulator,
    links: ImageLinks,
    version: ApiVersion,
    project_id: ProjectId,
    batch: Annotated[
        requests.ImageUrlCreateBatch, json_body(requests.ImageUrlCreateBatch, error=_empty_batch(_NO_URLS))
    ],
) -> Result:
    new = [
        NewImage(
            name=entry.url,
            source=FromUrl(entry.url),
            tag_ids=tuple(entry.tag_ids or ()),
            boxes=_boxes(entry.regions),
        )
        for entry in batch.images or ()
    ]
    return _create_batch(emulator, links, version, project_id, batch, new, _NO_URLS)


@router.operation("CreateImagesFromPredictions", work="images")
def create_images_from_predictions(
    emulator: Emulator,
    links: ImageLinks,
    version: ApiVersion,
    project_id: ProjectId,
    batch: Annotated[
        requests.ImageIdCreateBatch,
        json_body(requests.ImageIdCreateBatch, error=_empty_batch(_NO_PREDICTIONS)),
    ],
) -> Result:
    new = [
        NewImage(
            name=entry.id,
            source=FromPrediction(entry.id),
            tag_ids=tuple(entry.tag_ids or ()),
            boxes=_boxes(entry.regions),
        )
        for entry in batch.images or ()
    ]
    return _create_batch(emulator, links, version, project_id, batch, new, _NO_PREDICTIONS)


def _create_batch(
    context: Context,
    links: Links,
    version: Version,
    project_id: str,
    batch: _Batch,
    new: Sequence[NewImage],
    nothing_valid: str,
) -> Result:
    results = images.create(
        context,
        project_id,
        new,
        batch.tag_ids or (),
        batch.metadata,
        metadata_limits=MetadataLimits(*metadata_limits(version)),
        nothing_valid=nothing_valid,
    )
    return _created(links, version, results)


def _created(links: Links, version: Version, results: Sequence[images.CreatedImage]) -> Result:
    summary = responses.created_images(links, version, results)
    return batch_result(version, summary, complete=summary.is_batch_successful)


def _boxes(regions: Sequence[requests.Region] | None) -> tuple[RegionBox, ...]:
    return tuple(box_of(region) for region in regions or ())


# --- listing and counting -----------------------------------------------------------------------------------


class _Listed(NamedTuple):
    """The images of a project that are listed or counted."""

    project_id: str
    iteration_id: str | None
    filter: Filter


async def _metadata_filter(request: Request) -> Expression | None:
    text = text_in(request, "$filter")
    return None if text is None else filters.parse(text)


async def _all_images(
    request: Request,
    tagging_status: Annotated[str, choice("taggingStatus", _TAGGING_STATUSES, "All")],
    metadata: Annotated[Expression | None, Depends(_metadata_filter)],
    project_id: ProjectId,
    iteration_id: OfIteration,
) -> _Listed:
    tag_ids = guids_in(request, "tagIds") if tagging_status != "Untagged" else ()
    return _Listed(project_id, iteration_id, Filter(tagging_status, tag_ids, metadata))


async def _tagged_images(project_id: ProjectId, iteration_id: OfIteration, tag_ids: TagIds) -> _Listed:
    return _Listed(project_id, iteration_id, Filter("Tagged", tag_ids))


async def _untagged_images(project_id: ProjectId, iteration_id: OfIteration) -> _Listed:
    return _Listed(project_id, iteration_id, Filter("Untagged"))


_AllImages = Annotated[_Listed, Depends(_all_images)]
_TaggedImages = Annotated[_Listed, Depends(_tagged_images)]
_UntaggedImages = Annotated[_Listed, Depends(_untagged_images)]


@router.operation("GetImages")
def get_images(links: ImageLinks, listed: _AllImages, page: OrderedPage) -> list[shapes.Image]:
    return _list(links, listed, page)


@router.operation("GetTaggedImages")
def get_tagged_images(links: ImageLinks, listed: _TaggedImages, page: OrderedPage) -> list[shapes.Image]:
    return _list(links, listed, page)


@router.operation("GetUntaggedImages")
def get_untagged_images(links: ImageLinks, listed: _UntaggedImages, page: OrderedPage) -> list[shapes.Image]:
    return _list(links, listed, page)


@router.operation("GetImageCount", small=True)
def get_image_count(emulator: Emulator, listed: _AllImages) -> int:
    return listing.count(emulator, *listed)


@router.operation("GetTaggedImageCount", small=True)
def get_tagged_image_count(emulator: Emulator, listed: _TaggedImages) -> int:
    return listing.count(emulator, *listed)


@router.operation("GetUntaggedImageCount", small=True)
def get_untagged_image_count(emulator: Emulator, listed: _UntaggedImages) -> int:
    return listing.count(emulator, *listed)


@router.operation("GetImagesByIds")
def get_images_by_ids(
    emulator: Emulator,
    links: ImageLinks,
    project_id: ProjectId,
    iteration_id: OfIteration,
    image_ids: Annotated[tuple[str, ...], guids("imageIds")],
) -> list[shapes.Image]:
    images = listing.by_ids(emulator, project_id, iteration_id, image_ids)
    return [responses.image(links, item) for item in images]


def _list(links: Links, listed: _Listed, page: Page) -> list[shapes.Image]:
    images = listing.list_page(links.context, *listed, **page._asdict())
    return [responses.image(links, item) for item in images]


# --- deleting -----------------------------------------------------------------------------------------------


@router.operation("DeleteImages")
def delete_images(
    emulator: Emulator,
    all_images: Annotated[bool, flag("allImages")],
    all_iterations: Annotated[bool, flag("allIterations")],
    project_id: ProjectId,
    image_ids: Annotated[tuple[str, ...], guids("imageIds")],
) -> Result:
    deletion.delete(emulator, project_id, image_ids, all_images=all_images, all_iterations=all_iterations)
    return Result(status=202 if all_images or all_iterations else 204)
