"""Conversions of rows and results of `emulator.core` to shapes of the contract."""

from collections.abc import Sequence
from typing import NamedTuple

from emulator.contract import exports as names
from emulator.contract import responses as shapes
from emulator.contract import version_differences
from emulator.contract.versions import Version
from emulator.core.context import Context
from emulator.core.exports import request as exports
from emulator.core.images.tagged import TaggedImage, TagOnImage
from emulator.core.images.upload import CreatedImage
from emulator.core.iterations.performance import EvaluatedImage
from emulator.core.labels.regions import RegionOnImage
from emulator.core.predictions.predict import Predicted
from emulator.core.rules import domains
from emulator.core.scored_rows.scores import TagProbability, from_stored
from emulator.core.signed_uris import PredictionSize, Size, image_uri, prediction_image_uri
from emulator.core.suggestions.suggest import SuggestedImage
from emulator.store import tables, test_set_tables
from emulator.vision.boxes.box import Box


class Links(NamedTuple):
    """Makes signed URIs for a client; `base_url` is the address of the server as the client knows it."""

    context: Context
    base_url: str

    def image(self, row: tables.Image, size: Size) -> str:
        return image_uri(self.context, self.base_url, row.project_id, row.id, size)

    def test_image(self, project_id: str, row: test_set_tables.TestImage, size: Size) -> str:
        return image_uri(self.context, self.base_url, project_id, row.id, size)

    def prediction(self, row: tables.StoredPrediction, size: PredictionSize) -> str:
        return prediction_image_uri(self.context, self.base_url, row.project_id, row.id, size)


def domain(row: domains.Domain) -> shapes.Domain:
    information = None
    if row.megabytes is not None and row.description is not None:
        information = shapes.ModelInformation(
            estimated_model_size_in_megabytes=row.megabytes, description=row.description
        )
    return shapes.Domain(
        id=row.id,
        name=row.name,
        type=row.type,
        exportable=row.exportable,
        enabled=True,
        exportable_platforms=list(row.platforms),
        model_information=information,
    )


def project(links: Links, row: tables.Project, thumbnail_id: str | None) -> shapes.Project:
    settings = shapes.ProjectSettings(
        domain_id=row.domain_id,
        classification_type=row.classification_type,
        target_export_platforms=row.target_export_platforms,
        use_negative_set=row.use_negative_set,
        detection_parameters=row.detection_parameters,
        image_processing_settings=shapes.ImageProcessingSettings(
            augmentation_methods=row.augmentation_methods
        ),
        export_model_container_uri=row.export_model_container_uri,
        notification_queue_uri=row.notification_queue_uri,
    )
    thumbnail = None
    if thumbnail_id is not None:
        thumbnail = image_uri(links.context, links.base_url, row.id, thumbnail_id, "t")
    return shapes.Project(
        id=row.id,
        name=row.name,
        description=row.description,
        settings=settings,
        created=row.created,
        last_modified=row.last_modified,
        thumbnail_uri=thumbnail,
        dr_mode_enabled=False,
        status=row.status,
    )


def tag(row: tables.Tag, image_count: int) -> shapes.Tag:
    return shapes.Tag(
        id=row.id, name=row.name, description=row.description, type=row.type, image_count=image_count
    )


def image(links: Links, tagged: TaggedImage, *, named_tags: bool = True) -> shapes.Image:
    """An image. Responses to uploads leave the names of tags null (`named_tags` False)."""
    row = tagged.image
    stored = links.image(row, "i")
    return shapes.Image(
        id=row.id,
        created=row.created,
        width=row.width,
        height=row.height,
        resized_image_uri=stored,
        thumbnail_uri=links.image(row, "t"),
        original_image_uri=stored,
        tags=image_tags(tagged.tags, named=named_tags),
        regions=image_regions(tagged.regions, named=named_tags),
        metadata=row.metadata_ or {},
    )


def created_images(
    links: Links, version: Version, results: Sequence[CreatedImage]
) -> shapes.ImageCreateSummary:
    images = [
        shapes.ImageCreateResult(
            source_url=result.source_url,
            status=version_differences.image_status(result.status, version),
            image=None if result.image is None else image(links, result.image, named_tags=False),
        )
        for result in results
    ]
    successful = all(result.status == "OK" for result in results)
    return shapes.ImageCreateSummary(is_batch_successful=successful, images=images)


def iteration(version: Version, row: tables.Iteration) -> shapes.Iteration:
    base = row.custom_base_model_info
    return shapes.Iteration(
        id=row.id,
        name=row.name,
        status=row.status,
        created=row.created,
        last_modified=row.last_modified,
        trained_at=row.trained_at,
        project_id=row.project_id,
        exportable=row.exportable,
        exportable_to=_exportable_to(version, row) if row.has_begun else None,
        domain_id=row.domain_id if row.has_begun else None,
        classification_type=row.classification_type if row.has_begun else None,
        training_type=row.training_type,
        reserved_budget_in_hours=row.reserved_budget_in_hours,
        training_time_in_minutes=row.training_time_in_minutes if row.has_begun else 0,
        publish_name=row.publish_name,
        original_publish_resource_id=row.original_publish_resource_id,
        custom_base_model_info=None
        if base is None
        else shapes.CustomBaseModelInfo(project_id=base["projectId"], iteration_id=base["iterationId"]),
        training_error_details=row.training_error_details,
    )


def export(links: Links, version: Version, project_id: str, row: tables.Export) -> shapes.Export:
    return shapes.Export(
        platform=row.platform,
        status=row.status,
        download_uri=exports.download_uri(links.context, links.base_url, project_id, row),
        flavor=row.flavor or names.default_flavor(version, row.platform),
        newer_version_available=exports.newer_version_available(row),
    )


def prediction(item: TagProbability) -> shapes.Prediction:
    return shapes.Prediction(
        probability=item.probability,
        tag_id=item.tag_id,
        tag_name=item.tag_name,
        bounding_box=None if item.box is None else bounding_box(item.box),
        tag_type=item.tag_type,
    )


def predictions(probabilities: Sequence[TagProbability]) -> list[shapes.Prediction]:
    return [prediction(item) for item in probabilities]


def bounding_box(box: Box) -> shapes.BoundingBox:
    return shapes.BoundingBox(left=box.left, top=box.top, width=box.width, height=box.height)


def image_prediction(result: Predicted) -> shapes.ImagePrediction:
    return shapes.ImagePrediction(
        id=result.id,
        project=result.project_id,
        iteration=result.iteration_id,
        created=result.created,
        predictions=predictions(result.probabilities),
    )


def stored_prediction(links: Links, row: tables.StoredPrediction) -> shapes.StoredImagePrediction:
    stored = links.prediction(row, "o")
    return shapes.StoredImagePrediction(
        resized_image_uri=stored,
        thumbnail_uri=links.prediction(row, "t"),
        original_image_uri=stored,
        domain=row.domain_id,
        id=row.id,
        project=row.project_id,
        iteration=row.iteration_id,
        created=row.created,
        predictions=predictions(from_stored(row.predictions)),
    )


def suggestion(item: SuggestedImage) -> shapes.SuggestedTagAndRegion:
    return shapes.SuggestedTagAndRegion(
        id=item.image.id,
        project=item.image.project_id,
        iteration=item.iteration_id,
        created=item.created,
        predictions=predictions(item.probabilities),
        prediction_uncertainty=item.uncertainty,
    )


def stored_suggestion(links: Links, item: SuggestedImage) -> shapes.StoredSuggestedTagAndRegion:
    row = item.image
    stored = links.image(row, "i")
    return shapes.StoredSuggestedTagAndRegion(
        width=row.width,
        height=row.height,
        resized_image_uri=stored,
        thumbnail_uri=links.image(row, "t"),
        original_image_uri=stored,
        domain=item.domain_id,
        id=row.id,
        project=row.project_id,
        iteration=item.iteration_id,
        created=item.created,
        predictions=predictions(item.probabilities),
        prediction_uncertainty=item.uncertainty,
    )


def region_proposals(
    project_id: str, image_id: str, found: Sequence[tuple[float, Box]]
) -> shapes.ImageRegionProposal:
    proposals = [
        shapes.RegionProposal(confidence=confidence, bounding_box=bounding_box(box))
        for confidence, box in found
    ]
    return shapes.ImageRegionProposal(project_id=project_id, image_id=image_id, proposals=proposals)


def image_performance(links: Links, item: EvaluatedImage) -> shapes.ImagePerformance:
    row = item.tagged.image
    return shapes.ImagePerformance(
        predictions=predictions(item.probabilities),
        id=row.id,
        created=row.created,
        width=row.width,
        height=row.height,
        image_uri=links.image(row, "i"),
        thumbnail_uri=links.image(row, "t"),
        tags=image_tags(item.tagged.tags, named=True),
        regions=image_regions(item.tagged.regions, named=True),
    )


def image_tags(tags: Sequence[TagOnImage], *, named: bool) -> list[shapes.ImageTag]:
    return [
        shapes.ImageTag(tag_id=tag.tag_id, tag_name=tag.tag_name if named else None, created=tag.created)
        for tag in tags
    ]


def image_regions(regions: Sequence[RegionOnImage], *, named: bool) -> list[shapes.ImageRegion]:
    return [
        shapes.ImageRegion(
            region_id=region.id,
            tag_name=region.tag_name if named else None,
            created=region.created,
            tag_id=region.tag_id,
            left=region.left,
            top=region.top,
            width=region.width,
            height=region.height,
        )
        for region in regions
    ]


def _exportable_to(version: Version, row: tables.Iteration) -> list[str]:
    domain = domains.get(row.domain_id or "")
    is_exportable = domain.exportable and (row.is_pulled or not row.is_imported)
    return names.exportable_to(version, domain.platforms) if is_exportable else []
