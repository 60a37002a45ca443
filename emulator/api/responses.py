"""What `emulator.core` returns, put into the shapes of the contract."""

from collections.abc import Sequence

from emulator.api.calls import Call
from emulator.contract import responses as models
from emulator.core import domains
from emulator.core.exports import request as exports
from emulator.core.images.upload import CreatedImage, TaggedImage, TagOnImage
from emulator.core.iterations.performance import EvaluatedImage
from emulator.core.labels.regions import RegionOnImage
from emulator.core.predictions.predict import Predicted
from emulator.core.scored_rows.scores import BoundingBox, TagProbability, from_stored
from emulator.core.signed_uris import Size, image_uri, prediction_image_uri
from emulator.core.suggestions.suggest import SuggestedImage
from emulator.store import tables

# Statuses that came with a version, and what older ones send instead.
_LATER_STATUSES = {"ErrorInvalidTag": "ErrorUnknown", "ErrorImageDimensions": "ErrorImageSize"}
_LATER_STATUSES_SINCE = (3, 4)


def domain(row: domains.Domain) -> models.Domain:
    information = None
    if row.megabytes is not None and row.description is not None:
        information = models.ModelInformation(row.megabytes, row.description)
    return models.Domain(row.id, row.name, row.type, row.exportable, True, list(row.platforms), information)


def project(call: Call, row: tables.Project, thumbnail_id: str | None) -> models.Project:
    settings = models.ProjectSettings(
        row.domain_id,
        row.classification_type,
        row.target_export_platforms,
        row.use_negative_set,
        row.detection_parameters,
        models.ImageProcessingSettings(row.augmentation_methods),
        row.export_model_container_uri,
        row.notification_queue_uri,
    )
    return models.Project(
        row.id,
        row.name,
        row.description,
        settings,
        row.created,
        row.last_modified,
        None if thumbnail_id is None else _uri(call, row.id, thumbnail_id, "t"),
        False,
        row.status,
    )


def tag(row: tables.Tag, image_count: int) -> models.Tag:
    return models.Tag(row.id, row.name, row.description, row.type, image_count)


def image(call: Call, tagged: TaggedImage, *, named_tags: bool = True) -> models.Image:
    """`named_tags` False: answers to uploads leave the names of tags null."""
    row = tagged.image
    stored = _uri(call, row.project_id, row.id, "i")
    return models.Image(
        row.id,
        row.created,
        row.width,
        row.height,
        stored,
        _uri(call, row.project_id, row.id, "t"),
        stored,
        _image_tags(tagged.tags, named_tags),
        _image_regions(tagged.regions, named_tags),
        row.metadata_ or {},
    )


def created_images(call: Call, results: Sequence[CreatedImage]) -> models.ImageCreateSummary:
    images = []
    for result in results:
        status = result.status
        if call.version.number < _LATER_STATUSES_SINCE:
            status = _LATER_STATUSES.get(status, status)
        shown = None if result.image is None else image(call, result.image, named_tags=False)
        images.append(models.ImageCreateResult(result.source_url, status, shown))
    return models.ImageCreateSummary(all(result.status == "OK" for result in results), images)


def iteration(row: tables.Iteration) -> models.Iteration:
    platforms = None if row.domain_id is None else list(_exportable_to(row))
    base = row.custom_base_model_info
    return models.Iteration(
        row.id,
        row.name,
        row.status,
        row.created,
        row.last_modified,
        row.trained_at,
        row.project_id,
        row.exportable,
        platforms,
        row.domain_id,
        row.classification_type,
        row.training_type,
        row.reserved_budget_in_hours,
        row.training_time_in_minutes,
        row.publish_name,
        row.original_publish_resource_id,
        None if base is None else models.CustomBaseModelInfo(base["projectId"], base["iterationId"]),
        row.training_error_details,
    )


def export(call: Call, project_id: str, row: tables.Export) -> models.Export:
    return models.Export(
        row.platform,
        row.status,
        exports.download_uri(call.context, call.base_url, project_id, row),
        row.flavor or None,
        exports.newer_version_available(row),
    )


def predictions(probabilities: Sequence[TagProbability]) -> list[models.Prediction]:
    return [
        models.Prediction(item.probability, item.tag_id, item.tag_name, bounding_box(item.box), item.tag_type)
        for item in probabilities
    ]


def bounding_box(box: BoundingBox | None) -> models.BoundingBox | None:
    return None if box is None else models.BoundingBox(box.left, box.top, box.width, box.height)


def image_prediction(result: Predicted) -> models.ImagePrediction:
    return models.ImagePrediction(
        result.id, result.project_id, result.iteration_id, result.created, predictions(result.probabilities)
    )


def stored_prediction(call: Call, row: tables.StoredPrediction) -> models.StoredImagePrediction:
    stored = prediction_image_uri(call.context, call.base_url, row.project_id, row.id, "o")
    return models.StoredImagePrediction(
        stored,
        prediction_image_uri(call.context, call.base_url, row.project_id, row.id, "t"),
        stored,
        row.domain_id,
        row.id,
        row.project_id,
        row.iteration_id,
        row.created,
        predictions(from_stored(row.predictions)),
    )


def suggestion(item: SuggestedImage) -> models.SuggestedTagAndRegion:
    return models.SuggestedTagAndRegion(
        item.image.id,
        item.image.project_id,
        item.iteration_id,
        item.created,
        predictions(item.probabilities),
        item.uncertainty,
    )


def stored_suggestion(call: Call, item: SuggestedImage) -> models.StoredSuggestedTagAndRegion:
    row = item.image
    stored = _uri(call, row.project_id, row.id, "i")
    return models.StoredSuggestedTagAndRegion(
        row.width,
        row.height,
        stored,
        _uri(call, row.project_id, row.id, "t"),
        stored,
        item.domain_id,
        row.id,
        row.project_id,
        item.iteration_id,
        item.created,
        predictions(item.probabilities),
        item.uncertainty,
    )


def region_proposals(
    project_id: str, image_id: str, found: Sequence[tuple[float, BoundingBox]]
) -> models.ImageRegionProposal:
    proposals = [
        models.RegionProposal(confidence, models.BoundingBox(box.left, box.top, box.width, box.height))
        for confidence, box in found
    ]
    return models.ImageRegionProposal(project_id, image_id, proposals)


def image_performance(call: Call, item: EvaluatedImage) -> models.ImagePerformance:
    row = item.tagged.image
    return models.ImagePerformance(
        predictions(item.probabilities),
        row.id,
        row.created,
        row.width,
        row.height,
        _uri(call, row.project_id, row.id, "i"),
        _uri(call, row.project_id, row.id, "t"),
        _image_tags(item.tagged.tags, True),
        _image_regions(item.tagged.regions, True),
    )


def _image_tags(tags: Sequence[TagOnImage], named: bool) -> list[models.ImageTag]:
    return [models.ImageTag(tag.tag_id, tag.tag_name if named else None, tag.created) for tag in tags]


def _image_regions(regions: Sequence[RegionOnImage], named: bool) -> list[models.ImageRegion]:
    return [
        models.ImageRegion(
            region.id,
            region.tag_name if named else None,
            region.created,
            region.tag_id,
            region.left,
            region.top,
            region.width,
            region.height,
        )
        for region in regions
    ]


def _exportable_to(row: tables.Iteration) -> tuple[str, ...]:
    # Recorded for 3.0 to 3.2: exactly these four for every compact domain; 3.4-preview sends null always.
    exportable = domains.get(row.domain_id or "").exportable and not row.is_imported
    return ("CoreML", "DockerFile", "ONNX", "TensorFlow") if exportable else ()


def _uri(call: Call, project_id: str, image_id: str, size: Size) -> str:
    return image_uri(call.context, call.base_url, project_id, image_id, size)
