"""Scripted predictions, the clock and seeded ids as test suites in Python use them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from emulator.testing import EmulatorServer
from emulator.testing.control_client import EmulatorError


@pytest.fixture(scope="module")
def server() -> Iterator[EmulatorServer]:
    with EmulatorServer(trainer="instant", id_seed=7) as server:
        yield server


@pytest.fixture(autouse=True)
def clean(server: EmulatorServer) -> Iterator[None]:
    yield
    server.control.reset()


def test_a_detector_is_scripted(server: EmulatorServer) -> None:
    project = server.create_project(("car", "bus"), detection=True, published="live")
    box = {"left": 0.1, "top": 0.2, "width": 0.3, "height": 0.4}
    predictions = [{"tagName": "car", "probability": 0.75, "boundingBox": box}]
    server.control.scripts.add(predictions, published_name="live", times=1)
    client = server.prediction_client()
    (found,) = client.detect_image(project.id, "live", project.image("bus")).predictions
    client.close()
    assert (found.tag_name, found.probability, found.bounding_box.left) == ("car", 0.75, 0.1)
    assert server.control.scripts.all_used()


def test_a_classifier_is_scripted_for_one_image(server: EmulatorServer) -> None:
    project = server.create_project(published="live")
    script = server.control.scripts.add({"red": 0.25, "blue": 0.5}, image=project.image("red"))
    client = server.prediction_client()

    def seen(number: int) -> list[tuple[str, float]]:
        result = client.classify_image(project.id, "live", project.image("red", number))
        return [(item.tag_name, item.probability) for item in result.predictions]

    assert seen(0) == [("blue", 0.5), ("red", 0.25)]
    assert seen(1)[0][0] == "red"
    client.close()
    assert server.control.scripts.get(script)["used"] == 1
    server.control.scripts.remove(script)
    assert server.control.scripts.list() == {"allUsed": True, "scripts": []}


def test_the_clock_is_frozen_and_advanced(server: EmulatorServer) -> None:
    clock = server.control.clock
    moment = datetime(2060, 1, 2, 3, 4, 5, tzinfo=UTC)
    clock.freeze(moment)
    project = server.create_project({"red": 1})
    client = server.training_client()
    assert client.get_project(project.id).created.replace(microsecond=0) == moment
    (image,) = client.get_images(project.id)
    assert httpx.get(image.original_image_uri).status_code == 200
    clock.advance(25 * 3600)
    assert httpx.get(image.original_image_uri).status_code == 403
    client.close()
    with pytest.raises(EmulatorError, match="cannot be set backwards"):
        clock.set(moment)
    assert clock.now() - moment < timedelta(hours=26)
    clock.reset()
    assert clock.now() < moment


def test_each_test_sees_the_same_ids(server: EmulatorServer) -> None:
    first = server.create_project({"red": 2})
    server.control.reset()
    server.control.clock.get()
    second = server.create_project({"red": 2})
    assert (second.id, second.tags, second.images) == (first.id, first.tags, first.images)
