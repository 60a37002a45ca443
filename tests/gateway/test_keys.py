"""Keys: which of them open which API, in which headers, and the reasons for a refusal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.harness import (
    NOWHERE,
    PREDICTION_KEY,
    TRAINING_KEY,
    Service,
    expect,
    refusal,
    running_service,
    test_settings,
)
from tests.support.refusals import logged_refusals

ACCESS_DENIED = {
    "error": {
        "code": "401",
        "message": "Access denied due to invalid subscription key or wrong API endpoint. Make sure to "
        "provide a valid key for an active subscription and use a correct regional API endpoint for your "
        "resource.",
    }
}
PREDICTION = f"/customvision/v3.1/prediction/{NOWHERE}/classify/iterations/x/image"


@pytest.fixture
def multi_service(tmp_path: Path) -> Iterator[Service]:
    yield from running_service(tmp_path / "multi-service", multi_service=True)


def status(service: Service, api: str, headers: dict[str, str]) -> int:
    """200 if the key of a request is valid, else 401."""
    if api == "training":
        return service.send("GET", "/projects", key=None, headers=headers).status_code
    response = service.request("POST", PREDICTION, key=None, headers=headers, content=b"x")
    if response.status_code == 401:
        assert response.json() == ACCESS_DENIED
        return 401
    assert refusal(response)[:2] == (404, "NotFoundProject")
    return 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Training-Key": ""},
        {"Training-Key": "wrong"},
        {"Training-Key": TRAINING_KEY + " x"},
        {"Training-Key": TRAINING_KEY[:-1]},
        {"Training-Key": PREDICTION_KEY},
        {"Prediction-Key": PREDICTION_KEY},
        {"Prediction-Key": TRAINING_KEY},
        {"Ocp-Apim-Subscription-Key": PREDICTION_KEY},
    ],
)
def test_training_needs_a_training_key(service: Service, headers: dict[str, str]) -> None:
    response = service.send("GET", "/projects", key=None, headers=headers)
    assert (response.status_code, response.json()) == (401, ACCESS_DENIED)


@pytest.mark.parametrize(
    "name", ["Training-Key", "Training-key", "training-key", "Ocp-Apim-Subscription-Key"]
)
@pytest.mark.parametrize("number", [0, 1])
def test_both_training_keys_open_training_in_either_header(service: Service, name: str, number: int) -> None:
    key = service.settings.training_keys[number]
    assert expect(service.send("GET", "/projects", key=None, headers={name: key})) == []


@pytest.mark.parametrize("name", ["Prediction-Key", "Ocp-Apim-Subscription-Key", "prediction-key"])
@pytest.mark.parametrize("number", [0, 1])
def test_both_prediction_keys_open_prediction_in_either_header(
    service: Service, name: str, number: int
) -> None:
    assert status(service, "prediction", {name: service.settings.prediction_keys[number]}) == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Prediction-Key": "wrong"},
        {"Prediction-Key": TRAINING_KEY},
        {"Training-Key": PREDICTION_KEY},
        {"Training-Key": TRAINING_KEY},
        {"Ocp-Apim-Subscription-Key": TRAINING_KEY},
        {"Prediction-Key": TRAINING_KEY, "Training-Key": PREDICTION_KEY},
    ],
)
def test_prediction_needs_a_prediction_key(service: Service, headers: dict[str, str]) -> None:
    assert status(service, "prediction", headers) == 401


@pytest.mark.parametrize("key", [TRAINING_KEY, PREDICTION_KEY])
@pytest.mark.parametrize("name", ["Training-Key", "Ocp-Apim-Subscription-Key"])
def test_keys_of_a_multi_service_resource_open_training(multi_service: Service, name: str, key: str) -> None:
    assert status(multi_service, "training", {name: key}) == 200
    assert status(multi_service, "training", {name: f"{key}0"}) == 401


@pytest.mark.parametrize("key", [TRAINING_KEY, PREDICTION_KEY])
@pytest.mark.parametrize("name", ["Prediction-Key", "Training-Key", "Ocp-Apim-Subscription-Key"])
def test_keys_of_a_multi_service_resource_open_prediction(
    multi_service: Service, name: str, key: str
) -> None:
    assert status(multi_service, "prediction", {name: key}) == 200
    assert status(multi_service, "prediction", {name: f"{key}0"}) == 401


def test_a_key_of_both_resources_opens_both(service: Service) -> None:
    service.close()
    service.settings = test_settings(
        service.settings.data, training_keys=("one", "same"), prediction_keys=("same", "two")
    )
    service.open()
    for name in ("Training-Key", "Ocp-Apim-Subscription-Key"):
        assert [status(service, "training", {name: key}) for key in ("one", "same", "two")] == [200, 200, 401]
    for name in ("Prediction-Key", "Ocp-Apim-Subscription-Key"):
        assert [status(service, "prediction", {name: key}) for key in ("one", "same", "two")] == [
            401,
            200,
            200,
        ]


@pytest.mark.parametrize("is_multi_service", [False, True])
def test_the_emulators_own_api_has_the_keys_of_training(tmp_path: Path, is_multi_service: bool) -> None:
    for service in running_service(tmp_path / "data", multi_service=is_multi_service):
        for key, expected in ((TRAINING_KEY, 200), (PREDICTION_KEY, 200 if is_multi_service else 401)):
            response = service.request("GET", "/_emulator/backbones", key=None, headers={"Training-Key": key})
            assert (response.status_code == 401) == (expected == 401)


def test_without_a_key_the_response_does_not_show_what_exists(service: Service) -> None:
    project = service.project()
    for path in (project, "/nothing", "/projects/x"):
        assert service.send("GET", path, key=None).json() == ACCESS_DENIED


def test_own_keys_replace_the_well_known_ones(service: Service) -> None:
    own = ("own-key-one", "own-key-two")
    service.close()
    service.settings = test_settings(service.settings.data, training_keys=own)
    service.open()
    assert (
        service.send("GET", "/projects", key=None, headers={"Training-Key": TRAINING_KEY}).status_code == 401
    )
    assert [service.send("GET", "/projects", key=key).status_code for key in own] == [200, 200]


# --- reasons ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("api", "headers", "reason"),
    [
        ("training", {}, "no key: send it in the header Training-Key or Ocp-Apim-Subscription-Key"),
        ("prediction", {}, "no key: send it in the header Prediction-Key or Ocp-Apim-Subscription-Key"),
        ("training", {"Prediction-Key": "k"}, "the key is in the header Prediction-Key, which is not read"),
        ("prediction", {"Training-Key": "k"}, "the key is in the header Training-Key, which is not read"),
        ("training", {"Training-Key": PREDICTION_KEY}, "a prediction key was sent where a training key"),
        ("prediction", {"Prediction-Key": TRAINING_KEY}, "a training key was sent where a prediction key"),
        ("prediction", {"Ocp-Apim-Subscription-Key": TRAINING_KEY}, "--multi-service"),
        (
            "training",
            {"Authorization": "Bearer a.b.c"},
            "an access token was sent, and no key: send one in Train",
        ),
        ("training", {"Training-Key": ""}, "the key is empty"),
        ("training", {"Training-Key": f'"{TRAINING_KEY}"'}, "or by quotes or blanks"),
        ("training", {"Training-Key": "some-other-key"}, "wrong training key"),
        ("prediction", {"Prediction-Key": "some-other-key"}, "wrong prediction key"),
    ],
)
def test_the_log_has_the_reason_and_no_key(
    service: Service, caplog: pytest.LogCaptureFixture, api: str, headers: dict[str, str], reason: str
) -> None:
    with logged_refusals(caplog) as lines:
        assert status(service, api, headers) == 401
        (line,) = lines()
    assert " 401 (" in line
    assert reason in line
    assert not any(value in line for value in headers.values() if len(value) > 1)


def test_a_key_in_the_query_is_not_read(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    with logged_refusals(caplog) as lines:
        parameters = {"subscription-key": TRAINING_KEY}
        assert service.send("GET", "/projects", key=None, params=parameters).status_code == 401
        (line,) = lines()
    assert "it is not read from the query" in line
    assert TRAINING_KEY not in line
