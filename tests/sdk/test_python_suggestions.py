"""Suggestions and region proposals through the official Python SDK."""

from __future__ import annotations

from typing import Any

import pytest
from azure.cognitiveservices.vision.customvision.training.models import (
    CustomVisionErrorException,
    ImageFileCreateBatch,
    ImageFileCreateEntry,
    ImageRegionCreateEntry,
    SuggestedTagAndRegionQueryToken,
)

from tests.sdk.live import TAGS, Emulator, picture, wait_until_trained

EACH = 5
UNTAGGED = range(100, 103)


def upload(trainer: Any, project_id: str, name: str, numbers: range, tag_ids: list[str]) -> list[str]:
    """The ids of new images."""
    entries = [
        ImageFileCreateEntry(name=f"{name}_{number}.jpg", contents=picture(name, number), tag_ids=tag_ids)
        for number in numbers
    ]
    summary = trainer.create_images_from_files(project_id, ImageFileCreateBatch(images=entries))
    assert summary.is_batch_successful
    return [item.image.id for item in summary.images]


def token(**wanted: Any) -> SuggestedTagAndRegionQueryToken:
    return SuggestedTagAndRegionQueryToken(**wanted)


def test_suggestions(emulator: Emulator) -> None:
    trainer = emulator.trainer()
    project = trainer.create_project("Suggestions", classification_type="Multiclass")
    tags = {name: trainer.create_tag(project.id, name).id for name in TAGS}
    for name, tag_id in tags.items():
        upload(trainer, project.id, name, range(EACH), [tag_id])
    untagged = {
        image_id: name for name in TAGS for image_id in upload(trainer, project.id, name, UNTAGGED, [])
    }
    iteration = wait_until_trained(trainer, project.id, trainer.train_project(project.id))

    suggested = trainer.suggest_tags_and_regions(project.id, iteration.id, list(untagged))
    assert [item.id for item in suggested] == list(untagged)
    for item in suggested:
        assert item.predictions[0].tag_name == untagged[item.id]
        assert (item.project, item.iteration) == (project.id, iteration.id)
        assert 0 <= item.prediction_uncertainty <= 1

    expected = [item.id for item in sorted(suggested, key=lambda item: item.prediction_uncertainty)]
    listed, wanted = [], token(max_count=4, sort_by="UncertaintyAscending", threshold=0.0)
    while wanted is not None:
        page = trainer.query_suggested_images(project.id, iteration.id, wanted)
        listed.append([item.id for item in page.results])
        wanted = page.token if page.token.continuation else None
    assert listed == [expected[:4], expected[4:]]
    meadow, dusk = (tags[name] for name in ("Meadow", "Dusk"))
    of_meadow = trainer.query_suggested_images(
        project.id, iteration.id, token(tag_ids=[meadow], threshold=0.5, sort_by="UncertaintyDescending")
    ).results
    assert {item.id for item in of_meadow} == {image for image, name in untagged.items() if name == "Meadow"}
    assert (of_meadow[0].width, of_meadow[0].height, of_meadow[0].domain) == (320, 240, iteration.domain_id)
    count = trainer.query_suggested_image_count(
        project.id, iteration.id, tag_ids=[meadow, dusk], threshold=0.5
    )
    assert count == {meadow: len(UNTAGGED), dusk: len(UNTAGGED)}

    # The proposed tag is assigned, and the image is no longer a suggestion.
    best = of_meadow[0]
    entry = {"imageId": best.id, "tagId": best.predictions[0].tag_id}
    trainer.create_image_tags(project.id, tags=[entry])
    left = trainer.query_suggested_image_count(project.id, iteration.id, tag_ids=[meadow], threshold=0.5)
    assert left == {meadow: len(UNTAGGED) - 1}
    with pytest.raises(CustomVisionErrorException) as refused:
        trainer.query_suggested_images(project.id, iteration.id, token(continuation="forged"))
    assert refused.value.error.code == "BadRequestPredictionInvalidQueryParameters"


def test_region_proposals(emulator: Emulator) -> None:
    """The worker process makes the model, and the proposed regions are accepted unchanged."""
    trainer = emulator.trainer()
    (domain,) = (
        domain
        for domain in trainer.get_domains()
        if domain.type == "ObjectDetection" and domain.name == "General"
    )
    project = trainer.create_project("Proposals", domain_id=domain.id)
    tag = trainer.create_tag(project.id, "Something")
    (image_id,) = upload(trainer, project.id, "Meadow", range(1), [])
    response = trainer.get_image_region_proposals(project.id, image_id)
    assert (response.project_id, response.image_id) == (project.id, image_id)
    confidences = [item.confidence for item in response.proposals]
    assert confidences == sorted(confidences, reverse=True)
    entries = [
        ImageRegionCreateEntry(
            image_id=image_id,
            tag_id=tag.id,
            left=item.bounding_box.left,
            top=item.bounding_box.top,
            width=item.bounding_box.width,
            height=item.bounding_box.height,
        )
        for item in response.proposals
    ]
    if entries:
        made = trainer.create_image_regions(project.id, regions=entries)
        assert len(made.created) == len(entries)
