"""CreateImagesFromData, -Files, -Urls, -Predictions; listing, counting and deleting images."""

import base64
import binascii
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from emulator.api import responses as shapes
from emulator.api.calls import Answer, Call, handles
from emulator.api.training.regions import boxes_of_uploads
from emulator.api.uploads import uploads
from emulator.contract import requests
from emulator.contract import responses as models
from emulator.core.errors import ServiceError
from emulator.core.images import filters as image_filters
from emulator.core.images import listing as image_lists
from emulator.core.images import upload as images
from emulator.core.images.filters import Expression
from emulator.core.images.listing import Filter
from emulator.core.images.upload import NewImage
from emulator.core.labels.regions import Box
from emulator.core.limits import PAGE_SIZE, PAGE_SIZE_MAXIMUM, TRAINING_IMAGE_BYTES
from emulator.core.predictions import stored as stored_predictions
from emulator.core.predictions.predict import fetch

_Batch = TypeVar(
    "_Batch", requests.ImageFileCreateBatch, requests.ImageUrlCreateBatch, requests.ImageIdCreateBatch
)
ORDERS = ("Newest", "Oldest")
# What the service says of batches with nothing in them.
_NO_FILES = "No valid image files"
_NO_URLS = "No image urls provided"
_NO_PREDICTIONS = "No image ids provided"
TAGGING_STATUSES = ("All", "Tagged", "Untagged")
_MULTI_STATUS_SINCE = (3, 3)
_BULK_DELETION_SINCE = (3, 1)
_METADATA_SINCE = (3, 3)


@handles("CreateImagesFromData")
def create_images_from_data(call: Call) -> Answer:
    project_id, tag_ids = call.id("projectId"), call.guids("tagIds")
    new = [NewImage(upload.file_name, upload.data) for upload in uploads(call)]
    return _created(call, images.create(call.context, project_id, new, tag_ids, nothing_valid=_NO_FILES))


@handles("CreateImagesFromFiles")
def create_images_from_files(call: Call) -> Answer:
    return _create_batch(call, requests.ImageFileCreateBatch, _NO_FILES, _file)


@handles("CreateImagesFromUrls")
def create_images_from_urls(call: Call) -> Answer:
    return _create_batch(call, requests.ImageUrlCreateBatch, _NO_URLS, _url, must_hold_an_image=False)


@handles("CreateImagesFromPredictions")
def create_images_from_predictions(call: Call) -> Answer:
    return _create_batch(
        call, requests.ImageIdCreateBatch, _NO_PREDICTIONS, _prediction, must_hold_an_image=False
    )


@handles("GetImages")
def get_images(call: Call) -> list[models.Image]:
    return _page(call, call.choice("taggingStatus", TAGGING_STATUSES, "All"), _metadata_filter(call))


@handles("GetTaggedImages")
def get_tagged_images(call: Call) -> list[models.Image]:
    return _page(call, "Tagged")


@handles("GetUntaggedImages")
def get_untagged_images(call: Call) -> list[models.Image]:
    return _page(call, "Untagged")


@handles("GetImageCount")
def get_image_count(call: Call) -> int:
    return _count(call, call.choice("taggingStatus", TAGGING_STATUSES, "All"), _metadata_filter(call))


@handles("GetTaggedImageCount")
def get_tagged_image_count(call: Call) -> int:
    return _count(call, "Tagged")


@handles("GetUntaggedImageCount")
def get_untagged_image_count(call: Call) -> int:
    return _count(call, "Untagged")


@handles("GetImagesByIds")
def get_images_by_ids(call: Call) -> list[models.Image]:
    found = image_lists.by_ids(
        call.context, call.id("projectId"), call.guid("iterationId"), call.guids("imageIds")
    )
    return [shapes.image(call, item) for item in found]


@handles("DeleteImages")
def delete_images(call: Call) -> Answer:
    bulk = call.version.number >= _BULK_DELETION_SINCE
    all_images = bulk and call.flag("allImages")
    all_iterations = bulk and call.flag("allIterations")
    images.delete(
        call.context,
        call.id("projectId"),
        call.guids("imageIds"),
        all_images=all_images,
        all_iterations=all_iterations,
    )
    return Answer(status=202 if all_images or all_iterations else 204)


def _create_batch(
    call: Call,
    shape: type[_Batch],
    nothing_valid: str,
    obtain: Callable[[Call, Any, tuple[Box, ...]], NewImage | Callable[[], NewImage]],
    *,
    must_hold_an_image: bool = True,
) -> Answer:
    """`obtain`: what an entry of the batch asks for, or a function that gets it."""
    project_id = call.id("projectId")
    batch = _batch(call, shape, nothing_valid)
    entries = batch.images or []
    items = [
        obtain(call, entry, boxes)
        for entry, boxes in zip(entries, boxes_of_uploads(call, entries), strict=True)
    ]
    results = images.create(
        call.context,
        project_id,
        items,
        batch.tag_ids or (),
        _metadata(call, batch.metadata),
        nothing_valid=nothing_valid,
        must_hold_an_image=must_hold_an_image,
    )
    return _created(call, results)


def _created(call: Call, results: Sequence[images.CreatedImage]) -> Answer:
    summary = shapes.created_images(call, results)
    partial_status = 207 if call.version.number >= _MULTI_STATUS_SINCE else 200
    return Answer(summary, 200 if summary.is_batch_successful else partial_status)


def _batch(call: Call, shape: type[_Batch], nothing_valid: str) -> _Batch:
    try:
        return call.parsed(shape)
    except requests.Malformed:
        # The service reads a batch that does not parse as an empty one.
        raise ServiceError("BadRequestImageBatch", nothing_valid) from None


def _decoded(contents: str | None) -> bytes:
    """The bytes of a base64 string; none for what is no base64, which is then no image either."""
    try:
        return base64.b64decode(contents or "", validate=True)
    except (binascii.Error, ValueError):
        pass
    try:  # some clients break it into lines
        return base64.b64decode("".join((contents or "").split()), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _file(call: Call, entry: requests.ImageFileCreateEntry, boxes: tuple[Box, ...]) -> NewImage:
    return NewImage(entry.name, _decoded(entry.contents), tuple(entry.tag_ids or ()), boxes=boxes)


def _url(call: Call, entry: requests.ImageUrlCreateEntry, boxes: tuple[Box, ...]) -> Callable[[], NewImage]:
    return partial(_download, call, entry, boxes)


def _download(call: Call, entry: requests.ImageUrlCreateEntry, boxes: tuple[Box, ...]) -> NewImage:
    tag_ids = tuple(entry.tag_ids or ())
    try:
        data = fetch(call.context, entry.url, TRAINING_IMAGE_BYTES)
        return NewImage(entry.url, data, tag_ids, boxes=boxes)
    except ServiceError:
        return NewImage(entry.url, None, tag_ids, "ErrorSource")


def _prediction(
    call: Call, entry: requests.ImageIdCreateEntry, boxes: tuple[Box, ...]
) -> Callable[[], NewImage]:
    tag_ids, project_id = tuple(entry.tag_ids or ()), call.id("projectId")
    return partial(stored_predictions.as_new_image, call.context, project_id, entry.id, tag_ids, boxes)


def _metadata(call: Call, metadata: dict[str, str] | None) -> dict[str, str] | None:
    return metadata if call.version.number >= _METADATA_SINCE else None


def _metadata_filter(call: Call) -> Expression | None:
    text = call.text("$filter")
    return None if text is None else image_filters.parse(text)


def _filter(call: Call, tagging_status: str, metadata: Expression | None) -> Filter:
    tag_ids = call.guids("tagIds") if tagging_status != "Untagged" else ()
    return Filter(tagging_status, tag_ids, metadata)


def _page(call: Call, tagging_status: str, metadata: Expression | None = None) -> list[models.Image]:
    found = image_lists.list_page(
        call.context,
        call.id("projectId"),
        call.guid("iterationId"),
        _filter(call, tagging_status, metadata),
        newest_first=call.choice("orderBy", ORDERS, "Newest") == "Newest",
        take=call.integer("take", PAGE_SIZE, maximum=PAGE_SIZE_MAXIMUM),
        skip=call.integer("skip", 0),
    )
    return [shapes.image(call, item) for item in found]


def _count(call: Call, tagging_status: str, metadata: Expression | None = None) -> int:
    return image_lists.count(
        call.context,
        call.id("projectId"),
        call.guid("iterationId"),
        _filter(call, tagging_status, metadata),
    )
