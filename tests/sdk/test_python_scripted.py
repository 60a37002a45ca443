"""Scripted predictions as the official Python SDK receives them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.sdk.live import TAGS, Emulator, picture, wait_until_trained
from tests.support.harness import RESOURCE_ID, TRAINING_KEY

KEY = {"Training-Key": TRAINING_KEY}
UNSEEN = picture("Meadow", 500)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    server = Emulator(tmp_path_factory.mktemp("data"), program="tests.support.stub_trainer_server")
    yield server
    server.kill()
    assert "Traceback" not in server.log(), server.log()


@pytest.fixture(scope="module")
def project_id(emulator: Emulator) -> str:
    """A project with an iteration that is published as "live"."""
    trainer = emulator.trainer()
    project = trainer.create_project("scripted", classification_type="Multiclass")
    for name in TAGS:
        tag = trainer.create_tag(project.id, name)
        for number in range(5):
            trainer.create_images_from_data(project.id, picture(name, number), tag_ids=[tag.id])
    iteration = wait_until_trained(trainer, project.id, trainer.train_project(project.id))
    trainer.publish_iteration(project.id, iteration.id, "live", RESOURCE_ID)
    return str(project.id)


@pytest.fixture(autouse=True)
def no_scripts(emulator: Emulator) -> Iterator[None]:
    yield
    assert emulator.client.delete(f"{emulator.endpoint}/_emulator/predictionScripts", headers=KEY).is_success


def script(emulator: Emulator, **body: Any) -> None:
    url = f"{emulator.endpoint}/_emulator/predictionScripts"
    assert emulator.client.post(url, json=body, headers=KEY).status_code == 201


def seen(result: Any) -> list[tuple[str, float]]:
    return [(item.tag_name, item.probability) for item in result.predictions]


def test_a_script_of_all_calls(emulator: Emulator, project_id: str) -> None:
    predictions = [{"tagName": "Meadow", "probability": 0.3}, {"tagName": "Dusk", "probability": 0.6}]
    script(emulator, projectId=project_id, publishedName="live", predictions=predictions)
    expected = [("Dusk", 0.6), ("Meadow", 0.3)]
    predictor, trainer = emulator.predictor(), emulator.trainer()
    stored = predictor.classify_image(project_id, "live", UNSEEN)
    assert seen(stored) == expected
    assert seen(predictor.classify_image_with_no_store(project_id, "live", UNSEEN)) == expected
    (iteration,) = trainer.get_iterations(project_id)
    tested = trainer.quick_test_image(project_id, UNSEEN, iteration_id=iteration.id, store=False)
    assert seen(tested) == expected
    (found,) = trainer.query_predictions(project_id, {"order_by": "Newest"}).results
    assert (str(found.id), seen(found)) == (str(stored.id), expected)


def test_eight_clients_use_a_script_a_hundred_times(emulator: Emulator, project_id: str) -> None:
    script(emulator, times=100, predictions=[{"tagName": "Meadow", "probability": 0.0078125}])
    clients = [emulator.predictor() for _ in range(8)]

    def predict(number: int) -> bool:
        result = clients[number % 8].classify_image_with_no_store(project_id, "live", UNSEEN)
        return ("Meadow", 0.0078125) in seen(result)

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(predict, range(160))) == 100
    shown = emulator.client.get(f"{emulator.endpoint}/_emulator/predictionScripts", headers=KEY).json()
    assert shown["allUsed"] is True
    assert [(one["used"], one["remaining"]) for one in shown["scripts"]] == [(100, 0)]
