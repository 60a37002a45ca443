"""Access tokens instead of keys, with the official Python SDK."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from azure.cognitiveservices.vision.customvision.prediction.models import (
    CustomVisionErrorException as PredictionError,
)
from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
from azure.cognitiveservices.vision.customvision.training.models import CustomVisionErrorException
from msrest.authentication import BasicTokenAuthentication

from tests.sdk.live import Emulator, picture
from tests.sdk.validating import validated
from tests.support.access_tokens import access_token
from tests.support.harness import NOWHERE


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    server = Emulator(
        tmp_path_factory.mktemp("data"),
        "--entra",
        "basic",
        "--role-assignment",
        "owner=Contributor",
        "--role-assignment",
        "labeler=Labeler",
    )
    yield server
    server.kill()
    assert "Traceback" not in server.log(), server.log()


def credentials(principal: str) -> BasicTokenAuthentication:
    return BasicTokenAuthentication({"access_token": access_token(datetime.now(UTC), oid=principal)})


def trainer(emulator: Emulator, principal: str) -> Any:
    return validated(CustomVisionTrainingClient(emulator.endpoint, credentials(principal)))


def test_a_token_is_as_good_as_a_key(emulator: Emulator) -> None:
    project = trainer(emulator, "owner").create_project("Tokens")
    assert emulator.trainer().get_project(project.id).name == "Tokens"


def test_a_labeler_cannot_train(emulator: Emulator) -> None:
    project = trainer(emulator, "owner").create_project("Labels")
    labeler = trainer(emulator, "labeler")
    tag = labeler.create_tag(project.id, "Dusk")
    assert labeler.create_images_from_data(project.id, picture("Dusk", 1), [tag.id]).is_batch_successful
    for refused in (lambda: labeler.train_project(project.id), lambda: labeler.delete_project(project.id)):
        with pytest.raises(CustomVisionErrorException) as raised:
            refused()
        assert raised.value.response.status_code == 401
        assert raised.value.response.json()["error"]["code"] == "PermissionDenied"
    assert emulator.trainer().get_iterations(project.id) == []


def test_a_labeler_cannot_predict(emulator: Emulator) -> None:
    predictor = validated(CustomVisionPredictionClient(emulator.endpoint, credentials("labeler")))
    with pytest.raises(PredictionError) as raised:
        predictor.classify_image(NOWHERE, "name", picture("Dusk", 1))
    assert "classify/iterations/image/action" in raised.value.response.json()["error"]["message"]
