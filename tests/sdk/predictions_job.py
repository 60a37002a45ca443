"""Stored predictions, metadata and artifacts, with the first official Python SDK on the path.

Run by `programs.run_main_job`. Its last line is JSON: the shape of the responses to this SDK's version
of the API.
"""

from __future__ import annotations

import inspect
import json
import os
import time
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient, models

from tests.sdk.main_job import (
    PATIENCE_SECONDS,
    PUBLISHED,
    client,
    create_images,
    images_folder,
    tag_names,
)

APPLICATION = "line 4"


def published(trainer: Any) -> tuple[str, dict[str, str], str]:
    """A project with a published iteration: its id, the ids of its tags by name, the iteration's id."""
    project = trainer.create_project("Stored predictions", classification_type="Multiclass")
    tags = {name: trainer.create_tag(project.id, name).id for name in tag_names}
    for name, tag_id in tags.items():
        entries = [
            models.ImageFileCreateEntry(name=path.name, contents=path.read_bytes(), tag_ids=[tag_id])
            for path in sorted((images_folder / name).iterdir())
        ]
        assert create_images(trainer, "files", project.id, entries).output.is_batch_successful
    iteration = trainer.train_project(project.id)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while iteration.status != "Completed":
        assert iteration.status == "Training" and time.monotonic() < deadline, iteration.status
        time.sleep(0.05)
        iteration = trainer.get_iteration(project.id, iteration.id)
    trainer.publish_iteration(
        project.id, iteration.id, PUBLISHED, os.environ["VISION_PREDICTION_RESOURCE_ID"]
    )
    return project.id, tags, iteration.id


def query(trainer: Any, project_id: str, **wanted: Any) -> Any:
    return trainer.query_predictions(project_id, models.PredictionQueryToken(**wanted))


def take(trainer: Any, project_id: str, entries: list[Any], tag_ids: list[str]) -> Any:
    function = trainer.create_images_from_predictions
    if "batch" in inspect.signature(function).parameters:
        return function(project_id, models.ImageIdCreateBatch(images=entries, tag_ids=tag_ids), raw=True)
    return function(project_id, images=entries, tag_ids=tag_ids, raw=True)


def main() -> dict[str, Any]:
    trainer = client(CustomVisionTrainingClient, "Training")
    predictor = client(CustomVisionPredictionClient, "Prediction")
    project_id, tags, iteration_id = published(trainer)
    made = []
    for name in tag_names:
        image = images_folder / "unseen" / f"{name}.jpg"
        for application in (APPLICATION, None):
            with image.open("rb") as file:
                made.append(predictor.classify_image(project_id, PUBLISHED, file, application=application))
    ids = [prediction.id for prediction in made]

    def found(**wanted: Any) -> list[str]:
        return [item.id for item in query(trainer, project_id, **wanted).results]

    assert found() == found(order_by="Newest", max_count=0) == ids[::-1]
    assert found(order_by="Oldest", iteration_id=iteration_id) == ids
    assert set(found(order_by="Suggested")) == set(ids)
    assert found(application=APPLICATION, order_by="Oldest") == ids[::2]
    # The first version of the SDK treats these as read-only and does not send them.
    if not getattr(models.PredictionQueryTag, "_validation", None):
        sure = models.PredictionQueryTag(id=tags[tag_names[0]], min_threshold=0.9, max_threshold=1.0)
        assert found(tags=[sure], order_by="Oldest") == ids[:2]
    second = made[1].created
    assert found(start_time=second, order_by="Oldest")[-3:] == ids[1:]
    assert ids[-1] not in found(end_time=made[-1].created - timedelta(seconds=1))

    paged, token = [], models.PredictionQueryToken(order_by="Oldest", max_count=3)
    while token is not None:
        page = trainer.query_predictions(project_id, token)
        paged.append([item.id for item in page.results])
        token = page.token if page.token.continuation else None
    assert paged == [ids[:3], ids[3:]]

    stored = query(trainer, project_id, order_by="Oldest").results[0]
    assert (stored.project, stored.iteration) == (project_id, iteration_id)
    assert stored.predictions[0].probability == made[0].predictions[0].probability
    with urlopen(stored.original_image_uri) as picture:
        assert picture.read() == (images_folder / "unseen" / f"{tag_names[0]}.jpg").read_bytes()

    trainer.delete_prediction(project_id, ids[:1])
    assert found(order_by="Oldest") == ids[1:]
    entries = [models.ImageIdCreateEntry(id=ids[1])]
    (item,) = take(trainer, project_id, entries, [tags[tag_names[0]]]).output.images
    assert (item.status, item.source_url) == ("OK", ids[1])
    assert item.image.id != ids[1] and item.image.tags[0].tag_id == tags[tag_names[0]]
    assert found(order_by="Oldest") == ids[2:]
    missing = take(trainer, project_id, entries, [])
    assert missing.output.images[0].status == "ErrorSource"

    raw = trainer.query_predictions(project_id, models.PredictionQueryToken(), raw=True).response.json()
    return {
        "token": list(raw["token"]),
        "properties": list(raw["results"][0]),
        "prediction": list(raw["results"][0]["predictions"][0]),
        "status of missing": missing.response.status_code,
        "refused": refusal(trainer, project_id),
        "metadata": metadata(trainer, project_id, item.image.id),
    }


def refusal(trainer: Any, project_id: str) -> str:
    try:
        query(trainer, project_id, continuation="forged")
    except models.CustomVisionErrorException as error:
        return str(error.error.code)
    return "nothing"


def metadata(trainer: Any, project_id: str, image_id: str) -> Any:
    """The results of the operations that the third version of the SDK introduced; None before."""
    if not hasattr(trainer, "update_image_metadata"):
        return None
    pairs = {"line": "4", "it's": "o'clock"}
    unknown = "00000000-0000-4000-8000-000000000000"
    summary = trainer.update_image_metadata(project_id, [image_id, unknown], pairs, raw=True)
    assert [item.status for item in summary.output.images] == ["OK", "ErrorImageNotFound"]
    assert summary.output.images[0].metadata == pairs
    condition = "metadata=line eq '4' and ('it''s' eq 'o''clock' or line ne '4')"
    (image,) = trainer.get_images(project_id, filter=condition)
    assert (image.id, image.metadata) == (image_id, pairs)
    assert trainer.get_image_count(project_id, filter="metadata=line ne '4'") > 1
    path = urlsplit(image.original_image_uri).path
    with urlopen(image.original_image_uri) as picture:
        assert b"".join(trainer.get_artifact(project_id, path)) == picture.read()
    response = trainer.get_artifact(project_id, path.lstrip("/"), raw=True).response
    return [summary.response.status_code, response.headers["Content-Type"]]


if __name__ == "__main__":
    print(json.dumps(main()))
