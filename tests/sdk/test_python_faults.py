"""Faults as the official Python SDK experiences them: what it repeats, and what it raises."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from azure.cognitiveservices.vision.customvision.prediction.models import (
    CustomVisionErrorException as PredictionError,
)
from azure.cognitiveservices.vision.customvision.training.models import CustomVisionErrorException
from msrest.exceptions import ClientRequestError

from tests.sdk.live import Emulator
from tests.support.faults import FAULTS
from tests.support.harness import NOWHERE

REPETITIONS = 3


class Faults:
    """The scenarios of an emulator."""

    def __init__(self, emulator: Emulator) -> None:
        self._url = f"{emulator.endpoint}{FAULTS}"
        self._client = emulator.client

    def set(self, operation: str, *steps: dict[str, Any]) -> None:
        response = self._client.post(self._url, json={"operation": operation, "steps": steps})
        assert response.status_code == 201, response.text

    def used(self) -> list[int]:
        (scenario,) = self._client.get(self._url).json()["scenarios"]
        return [step["used"] for step in scenario["steps"]]

    def all_used(self) -> bool:
        return bool(self._client.get(self._url).json()["allUsed"])

    def clear(self) -> None:
        self._client.delete(self._url)


@pytest.fixture
def faults(emulator: Emulator) -> Iterator[Faults]:
    faults = Faults(emulator)
    yield faults
    faults.clear()


@pytest.fixture
def trainer(emulator: Emulator) -> Any:
    trainer = emulator.trainer()
    trainer.config.retry_policy.backoff_factor = 0
    return trainer


@pytest.mark.parametrize(
    "step",
    [
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 503, "retryAfter": 0},
        {"kind": "throttle", "retryAfter": 0},
        {"kind": "reset"},
        {"kind": "close"},
    ],
    ids=lambda step: f"{step['kind']} {step.get('status', '')}",
)
def test_the_sdk_repeats_a_get(trainer: Any, faults: Faults, step: dict[str, Any]) -> None:
    faults.set("GetProjects", {**step, "times": 2}, {"kind": "pass"})
    assert isinstance(trainer.get_projects(), list)
    assert faults.used() == [2, 1]


def test_the_sdk_gives_up_after_its_repetitions(trainer: Any, faults: Faults) -> None:
    faults.set("GetProjects", {"kind": "status", "status": 503, "times": REPETITIONS + 1})
    with pytest.raises((ClientRequestError, CustomVisionErrorException)):
        trainer.get_projects()
    assert faults.all_used()


def test_a_code_of_the_service_arrives_as_its_exception(trainer: Any, faults: Faults) -> None:
    faults.set(
        "CreateProject", {"kind": "status", "code": "BadRequestExceedProjectLimit", "message": "Full."}
    )
    with pytest.raises(CustomVisionErrorException) as raised:
        trainer.create_project("full")
    error = raised.value.error
    assert (raised.value.response.status_code, error.code, error.message) == (
        400,
        "BadRequestExceedProjectLimit",
        "Full.",
    )
    assert "full" not in [project.name for project in trainer.get_projects()]


@pytest.mark.parametrize(
    "step", [{"kind": "close", "afterDone": True}, {"kind": "reset", "bytes": 5}, {"kind": "truncate"}]
)
def test_a_tag_whose_response_is_lost_exists_once(trainer: Any, faults: Faults, step: dict[str, Any]) -> None:
    project = trainer.create_project("lost")
    faults.set("CreateTag", step)
    with pytest.raises(ClientRequestError):
        trainer.create_tag(project.id, "tag")
    assert [tag.name for tag in trainer.get_tags(project.id)] == ["tag"]
    with pytest.raises(CustomVisionErrorException) as raised:
        trainer.create_tag(project.id, "tag")
    assert raised.value.error.code == "BadRequestTagNameNotUnique"


def test_predictions_can_be_throttled(emulator: Emulator, faults: Faults) -> None:
    predictor = emulator.predictor()
    faults.set("ClassifyImage", {"kind": "throttle"})
    with pytest.raises(PredictionError) as raised:
        predictor.classify_image(NOWHERE, "name", b"image")
    assert raised.value.response.status_code == 429
    assert raised.value.response.headers["retry-after"] == "1"
    assert faults.all_used()
