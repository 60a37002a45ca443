"""Regions as a program, with the first official Python SDK on the path.

Run by `programs.run_main_job`. Its last line is JSON: the shape of the responses to this SDK's version
of the API.
"""

from __future__ import annotations

import inspect
import json
from typing import Any

from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient, models

from tests.sdk.main_job import client, create_images, images_folder

REGIONS_PER_IMAGE = 300
REGIONS_PER_BATCH = 64


def create_regions(trainer: Any, project_id: str, entries: list[Any]) -> Any:
    function = trainer.create_image_regions
    if "batch" in inspect.signature(function).parameters:
        return function(project_id, models.ImageRegionCreateBatch(regions=entries), raw=True)
    return function(project_id, regions=entries, raw=True)


def entry(image_id: str, tag_id: str, left: float, top: float = 0.25) -> Any:
    return models.ImageRegionCreateEntry(
        image_id=image_id, tag_id=tag_id, left=left, top=top, width=0.125, height=0.5
    )


def main() -> dict[str, Any]:
    trainer = client(CustomVisionTrainingClient, "Training")
    (domain,) = (
        domain
        for domain in trainer.get_domains()
        if domain.type == "ObjectDetection" and domain.name == "General"
    )
    project = trainer.create_project("Regions", domain_id=domain.id)
    flower, sky = (trainer.create_tag(project.id, name) for name in ("Flower", "Sky"))
    first, second = sorted((images_folder / "Meadow").iterdir())[:2]

    marked = models.Region(tag_id=flower.id, left=0.1, top=0.2, width=0.3, height=0.4)
    entries = [models.ImageFileCreateEntry(name=first.name, contents=first.read_bytes(), regions=[marked])]
    (item,) = create_images(trainer, "files", project.id, entries).output.images
    assert item.status == "OK"
    (region,) = item.image.regions
    assert (region.tag_id, region.tag_name) == (flower.id, None)
    with second.open("rb") as file:
        (other,) = trainer.create_images_from_data(project.id, file).images
    image_id, other_id = item.image.id, other.image.id

    summary = create_regions(
        trainer, project.id, [entry(image_id, sky.id, 0.5), entry(other_id, sky.id, 0.5)]
    )
    assert summary.response.status_code == 200
    assert {made.image_id for made in summary.output.created} == {image_id, other_id}
    again = create_regions(trainer, project.id, [entry(image_id, sky.id, 0.5)])
    assert [found.left for found in again.output.duplicated] == [0.5]
    (shown,) = trainer.get_images_by_ids(project.id, [image_id])
    assert [(found.tag_name, round(found.left, 6)) for found in shown.regions] == [
        ("Flower", 0.1),
        ("Sky", 0.5),
    ]
    assert {tag.tag_name for tag in shown.tags} == {"Flower", "Sky"}

    trainer.delete_image_regions(project.id, [region.region_id])
    (shown,) = trainer.get_images_by_ids(project.id, [image_id])
    assert [tag.tag_name for tag in shown.tags] == ["Sky"]
    assert trainer.get_tag(project.id, flower.id).image_count == 0

    lefts = [number / 400 for number in range(REGIONS_PER_IMAGE)]
    for start in range(0, REGIONS_PER_IMAGE, REGIONS_PER_BATCH):
        batch = [entry(image_id, flower.id, left) for left in lefts[start : start + REGIONS_PER_BATCH]]
        full = create_regions(trainer, project.id, batch)
    # Together with the one of Sky they exceed the limit by one.
    assert [found.left for found in full.output.exceeded] == lefts[-1:]
    try:
        create_regions(trainer, project.id, [entry(other_id, sky.id, 0.95)])
        refusal = None
    except models.CustomVisionErrorException as error:
        refusal = error.error.message
    return {
        "status of exceeded": full.response.status_code,
        "properties": list(summary.response.json()["created"][0]),
        "illegal": refusal,
        "regions": len(trainer.get_tagged_images(project.id, tag_ids=[flower.id])[0].regions),
    }


if __name__ == "__main__":
    print(json.dumps(main()))
