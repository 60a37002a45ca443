"""The main job as a program, with the first official Python SDK on the path.

It is the job of Microsoft's quickstart: a project, tags, uploads, training, publishing, predicting. Run by
`programs.run_main_job`, which documents the environment. Its last line is JSON: the shape of the responses
to this SDK's version of the API.
"""

from __future__ import annotations

import inspect
import json
import os
import time
from pathlib import Path
from typing import Any

from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient, models

from tests.sdk.clients import make_client
from tests.sdk.validating import validated

PATIENCE_SECONDS = 300
PUBLISHED = "classifyModel"
images_folder = Path(os.environ["IMAGES"])
tag_names = sorted(path.name for path in images_folder.iterdir() if path.name != "unseen")


def client(kind: Any, api: str) -> Any:
    key, endpoint = os.environ[f"VISION_{api.upper()}_KEY"], os.environ[f"VISION_{api.upper()}_ENDPOINT"]
    return validated(make_client(kind, api, endpoint, key))


def create_images(trainer: Any, source: str, project_id: str, entries: list[Any], **more: Any) -> Any:
    """Upload from "files" or "urls": a batch since the third version of the SDK, arguments before."""
    function = getattr(trainer, f"create_images_from_{source}")
    if "batch" in inspect.signature(function).parameters:
        shape = models.ImageFileCreateBatch if source == "files" else models.ImageUrlCreateBatch
        return function(project_id, shape(images=entries), raw=True, **more)
    return function(project_id, images=entries, raw=True, **more)


def main() -> dict[str, Any]:
    trainer = client(CustomVisionTrainingClient, "Training")
    predictor = client(CustomVisionPredictionClient, "Prediction")
    project = trainer.create_project("An older SDK", classification_type="Multiclass")
    tags = {name: trainer.create_tag(project.id, name) for name in tag_names}

    for name, tag in tags.items():
        by_data, *by_file, by_url = sorted((images_folder / name).iterdir())
        with by_data.open("rb") as file:
            summary = trainer.create_images_from_data(project.id, file, [tag.id])
        assert [item.status for item in summary.images] == ["OK"]
        entries = [
            models.ImageFileCreateEntry(name=path.name, contents=path.read_bytes(), tag_ids=[tag.id])
            for path in by_file
        ]
        assert create_images(trainer, "files", project.id, entries).output.is_batch_successful
        url = f"{os.environ['IMAGES_URL']}/{name}/{by_url.name}"
        by_urls = [models.ImageUrlCreateEntry(url=url, tag_ids=[tag.id])]
        assert create_images(trainer, "urls", project.id, by_urls).output.is_batch_successful
        again = create_images(trainer, "files", project.id, entries)
        assert {item.status for item in again.output.images} == {"OKDuplicate"}

    counts = {name: trainer.get_tag(project.id, tag.id).image_count for name, tag in tags.items()}
    assert trainer.get_tagged_image_count(project.id) == sum(counts.values())
    assert trainer.get_untagged_images(project.id) == []
    listed = trainer.get_tagged_images(project.id, tag_ids=[tags[tag_names[0]].id])
    assert len(listed) == counts[tag_names[0]]
    assert trainer.get_images_by_ids(project.id, [listed[0].id])[0].width == listed[0].width

    iteration = trainer.train_project(project.id)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while iteration.status != "Completed":
        assert iteration.status == "Training" and time.monotonic() < deadline, iteration.status
        time.sleep(0.05)
        iteration = trainer.get_iteration(project.id, iteration.id)
    performance = trainer.get_iteration_performance(project.id, iteration.id, threshold=0.5)
    assert performance.precision == performance.recall == 1
    assert trainer.get_image_performances(project.id, iteration.id)
    resource_id = os.environ["VISION_PREDICTION_RESOURCE_ID"]
    assert trainer.publish_iteration(project.id, iteration.id, PUBLISHED, resource_id) is True

    for name in tag_names:
        image = images_folder / "unseen" / f"{name}.jpg"
        with image.open("rb") as file:
            predicted = predictor.classify_image(project.id, PUBLISHED, file, raw=True)
        best = predicted.output.predictions[0]
        assert best.tag_name == name and best.probability > 0.9, (name, best)
        url = f"{os.environ['IMAGES_URL']}/unseen/{name}.jpg"
        by_url = predictor.classify_image_url_with_no_store(project.id, PUBLISHED, url=url)
        assert by_url.predictions[0].probability == best.probability
        tested = trainer.quick_test_image(project.id, image.read_bytes(), iteration_id=iteration.id)
        assert tested.predictions[0].probability == best.probability

    project_answer = trainer.get_project(project.id, raw=True).response
    iteration_answer = trainer.get_iteration(project.id, iteration.id, raw=True).response
    trainer.unpublish_iteration(project.id, iteration.id)
    trainer.delete_images(project.id, image_ids=[listed[0].id])
    assert trainer.get_tagged_image_count(project.id) == sum(counts.values()) - 1
    trainer.delete_iteration(project.id, iteration.id)
    trainer.delete_project(project.id)
    return {
        "training": version_of(project_answer.request.url),
        "prediction": version_of(predicted.response.request.url),
        "status of duplicates": again.response.status_code,
        "project has status": "status" in project_answer.json(),
        "iteration": list(iteration_answer.json()),
        "exportableTo": iteration_answer.json()["exportableTo"],
        "tagType": "tagType" in predicted.response.json()["predictions"][0],
        "digits of created": len(predicted.response.json()["created"].partition(".")[2].rstrip("Z")),
        "Request-Id": "Request-Id" in project_answer.headers,
    }


def version_of(url: str) -> str:
    return url.partition("/customvision/")[2].partition("/")[0]


if __name__ == "__main__":
    print(json.dumps(main()))
