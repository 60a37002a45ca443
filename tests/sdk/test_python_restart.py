"""The state of the emulator after it was stopped, or killed, and started again on the same data."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.sdk.conftest import StartEmulator
from tests.sdk.live import TAGS, Emulator, picture, wait_until_trained
from tests.support.harness import RESOURCE_ID

EACH = 5
UNSEEN = 1000


@pytest.mark.parametrize("end", [Emulator.terminate, Emulator.kill], ids=["stopped", "killed"])
def test_everything_is_as_it_was(start_emulator: StartEmulator, end: Callable[[Emulator], Any]) -> None:
    emulator = start_emulator()
    project_id = main_job(emulator)
    before = everything(emulator, project_id)
    uris = [
        uri for image in before["images"] for uri in (image["original_image_uri"], image["thumbnail_uri"])
    ]
    pictures = [fetched(uri, emulator) for uri in uris]

    status = end(emulator)
    assert status in (0, None), "a stop is no failure"
    with pytest.raises(urllib.error.URLError):
        fetched(uris[0], emulator)
    again = start_emulator(data=emulator.data)

    assert again.endpoint != emulator.endpoint
    assert without_uris(everything(again, project_id)) == without_uris(before)
    assert [fetched(uri, again) for uri in uris] == pictures


def main_job(emulator: Emulator) -> str:
    """The id of a trained and published project with one stored prediction, after an image was deleted."""
    trainer = emulator.trainer()
    project = trainer.create_project("Restart", "with a description", classification_type="Multiclass")
    for name in TAGS:
        tag = trainer.create_tag(project.id, name)
        for number in range(EACH):
            trainer.create_images_from_data(project.id, picture(name, number), [tag.id])
    iteration = wait_until_trained(trainer, project.id, trainer.train_project(project.id))
    trainer.publish_iteration(project.id, iteration.id, "kept", RESOURCE_ID)
    emulator.predictor().classify_image(project.id, "kept", picture("Dusk", UNSEEN))
    newest = trainer.get_images(project.id, take=1)[0]
    trainer.delete_images(project.id, image_ids=[newest.id])
    trainer.create_tag(project.id, "nothing", type="Negative")
    trainer.create_images_from_data(project.id, picture("Dusk", EACH))
    return str(project.id)


def everything(emulator: Emulator, project_id: str) -> dict[str, Any]:
    """The responses of all GET operations on the project."""
    trainer, predictor = emulator.trainer(), emulator.predictor()
    [iteration] = trainer.get_iterations(project_id)
    responses = {
        "project": trainer.get_project(project_id),
        "projects": trainer.get_projects(),
        "tags": trainer.get_tags(project_id),
        "images": trainer.get_images(project_id),
        "untagged": trainer.get_untagged_images(project_id),
        "trained on": trainer.get_images(project_id, iteration_id=iteration.id),
        "iteration": iteration,
        "performance": trainer.get_iteration_performance(project_id, iteration.id, threshold=0.7),
        "evaluated": trainer.get_image_performances(project_id, iteration.id),
        "predictions": [
            predictor.classify_image_with_no_store(project_id, "kept", picture(name, UNSEEN)).predictions
            for name in TAGS
        ],
    }
    return {name: plain(response) for name, response in responses.items()}


def plain(value: Any) -> Any:
    return [plain(item) for item in value] if isinstance(value, list) else value.as_dict()


def without_uris(value: Any) -> Any:
    """`value` without the URIs, whose signatures differ in every response."""
    if isinstance(value, dict):
        return {name: without_uris(item) for name, item in value.items() if not name.endswith("_uri")}
    return [without_uris(item) for item in value] if isinstance(value, list) else value


def fetched(uri: str, emulator: Emulator) -> bytes:
    """The content of a URI; after a restart the port differs, but the signature stays valid."""
    moved = urlunsplit(urlsplit(uri)._replace(netloc=urlsplit(emulator.endpoint).netloc))
    with urllib.request.urlopen(moved, timeout=10) as response:
        data: bytes = response.read()
        return data
