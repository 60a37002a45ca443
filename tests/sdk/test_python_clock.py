"""The emulator's clock as the official Python SDK notices it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.sdk.live import Emulator, picture
from tests.support.harness import TRAINING_KEY

KEY = {"Training-Key": TRAINING_KEY}


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    server = Emulator(tmp_path_factory.mktemp("data"))
    yield server
    server.kill()
    assert "Traceback" not in server.log(), server.log()


def clock(emulator: Emulator, method: str, path: str = "", body: Any = None) -> Any:
    response = emulator.client.request(
        method, f"{emulator.endpoint}/_emulator/clock{path}", json=body, headers=KEY
    )
    assert response.is_success, response.text
    return response.json() if response.content else None


def test_image_uris_expire_and_times_are_those_of_the_clock(emulator: Emulator) -> None:
    trainer = emulator.trainer()
    clock(emulator, "PUT", body={"now": "2050-01-01T00:00:00Z", "frozen": True})
    first, second = trainer.create_project("first"), trainer.create_project("second")
    assert [one.name for one in trainer.get_projects()] == ["second", "first"]
    assert first.created == second.created
    assert (first.created.year, first.created.hour) == (2050, 0)
    trainer.create_images_from_data(first.id, picture("Meadow", 1))
    (image,) = trainer.get_images(first.id)
    assert httpx.get(image.original_image_uri).status_code == 200
    clock(emulator, "POST", "/advance", {"seconds": 86400})
    assert httpx.get(image.original_image_uri).status_code == 403
    (image,) = trainer.get_images(first.id)
    assert httpx.get(image.original_image_uri).status_code == 200
    clock(emulator, "DELETE")
    assert trainer.create_project("third").created.year < 2050
