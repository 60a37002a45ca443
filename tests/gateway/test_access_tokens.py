"""Access tokens of Microsoft Entra are refused with the service's own error; a key beside one counts."""

from __future__ import annotations

import pytest

from tests.serving.harness import classifier_server
from tests.support.harness import NOWHERE, PREDICTION_KEY, TRAINING_KEY, Service

TOKEN = {"Authorization": "Bearer eyJhbGciOiJub25lIn0.e30.c2ln"}
REFUSAL = {
    "statusCode": 401,
    "message": "Unauthorized. Access token is missing, invalid, audience is incorrect "
    "(https://cognitiveservices.azure.com), or have expired.",
}
TRAINING = "/customvision/v3.3/training/projects"
PREDICTION = f"/customvision/v3.0/Prediction/{NOWHERE}/classify/iterations/m/image"


@pytest.mark.parametrize("authorization", [TOKEN["Authorization"], "bearer x", "Bearer", "Bearer  "])
@pytest.mark.parametrize(
    ("method", "path"), [("GET", TRAINING), ("POST", PREDICTION), ("GET", "/_emulator/imports")]
)
def test_a_token_without_a_key(service: Service, method: str, path: str, authorization: str) -> None:
    response = service.request(method, path, key=None, headers={"Authorization": authorization})
    assert (response.status_code, response.json()) == (401, REFUSAL)
    assert list(response.json()) == list(REFUSAL)


@pytest.mark.parametrize(
    ("path", "keys", "status"),
    [
        (TRAINING, {"Training-Key": TRAINING_KEY}, 200),
        (TRAINING, {"Ocp-Apim-Subscription-Key": TRAINING_KEY}, 200),
        (PREDICTION, {"Prediction-Key": PREDICTION_KEY}, 400),
    ],
)
def test_a_valid_key_counts(service: Service, path: str, keys: dict[str, str], status: int) -> None:
    method = "GET" if path == TRAINING else "POST"
    response = service.request(method, path, key=None, headers={**TOKEN, **keys})
    assert response.status_code == status


@pytest.mark.parametrize("headers", [{**TOKEN, "Training-Key": "wrong"}, {"Authorization": "Basic YTpi"}, {}])
def test_other_requests_get_the_error_of_the_key(service: Service, headers: dict[str, str]) -> None:
    response = service.request("GET", TRAINING, key=None, headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (401, "401")


def test_serve_model() -> None:
    serving = classifier_server(keys=("secret",))
    response = serving.request("POST", PREDICTION.replace("Prediction", "prediction"), headers=TOKEN)
    assert (response.status_code, response.json()) == (401, REFUSAL)
