"""First link of the chain: the installed official Python SDK and api_spec/ say the same.

The SDK speaks Training 3.4-preview and Prediction 3.1. Every operation, path, parameter, bound, default, enum
value, accepted status, model field and mark is compared, both ways.
"""

from typing import Any

import pytest
from azure.cognitiveservices.vision.customvision import prediction, training
from azure.cognitiveservices.vision.customvision.prediction import models as prediction_models
from azure.cognitiveservices.vision.customvision.training import models as training_models
from msrest.authentication import ApiKeyCredentials

from .document_claims import DocumentClaims
from .sdk_claims import Claims, claims
from .spec import render

# The document knows more than clients do of these: a field that answers always hold, defaults of the service.
ONLY_IN_DOCUMENT = (" present", " default")


def differences(sdk: Claims, document: Claims) -> list[str]:
    """One line for each claim that only one side makes, or that they make differently."""
    lines = []
    for subject in sorted(sdk.keys() | document.keys()):
        if subject not in document:
            lines.append(f"{subject}: the SDK says {sdk[subject]!r}, api_spec nothing")
        elif subject not in sdk:
            if not subject.endswith(ONLY_IN_DOCUMENT):
                lines.append(f"{subject}: api_spec says {document[subject]!r}, the SDK nothing")
        elif sdk[subject] != document[subject]:
            lines.append(f"{subject}: the SDK says {sdk[subject]!r}, api_spec {document[subject]!r}")
    return lines


CLIENTS = {
    "training": (training.CustomVisionTrainingClient, training_models, "3.4-preview"),
    "prediction": (prediction.CustomVisionPredictionClient, prediction_models, "3.1"),
}


def sdk_claims(api: str) -> Claims:
    client, models, _ = CLIENTS[api]
    return claims(client, models)


def document_claims(api: str) -> Claims:
    return DocumentClaims(render(api, CLIENTS[api][2])).claims()


@pytest.mark.parametrize("api", CLIENTS)
def test_the_sdk_speaks_the_version_that_is_compared(api: str) -> None:
    make_client: Any
    make_client, _, version = CLIENTS[api]
    make_credentials: Any = ApiKeyCredentials
    with make_client("http://127.0.0.1:1", make_credentials(in_headers={"Training-Key": "0"})) as client:
        assert client.config.base_url == f"{{Endpoint}}/customvision/v{version}/{api}"


@pytest.mark.parametrize("api", CLIENTS)
def test_sdk_and_document_agree(api: str) -> None:
    found = differences(sdk_claims(api), document_claims(api))
    assert not found, "\n".join(["", *found])


@pytest.mark.parametrize(("api", "operations", "models"), [("training", 52, 52), ("prediction", 8, 5)])
def test_the_sdk_is_read_completely(api: str, operations: int, models: int) -> None:
    """A reader that overlooks something would make the comparison pass too easily."""
    found = sdk_claims(api)
    assert len([value for value in found.values() if str(value).split(" ")[0] in METHODS]) == operations
    assert len({subject.split(".")[0] for subject in found if "." in subject.split(" ")[0]}) == models


METHODS = ("GET", "POST", "PATCH", "DELETE")


def _without_operation(document: dict[str, Any]) -> None:
    del document["paths"]["/projects/{projectId}/train"]


def _other_maximum(document: dict[str, Any]) -> None:
    document["components"]["parameters"]["take"]["schema"]["maximum"] = 255


def _other_default(document: dict[str, Any]) -> None:
    document["components"]["parameters"]["take"]["schema"]["default"] = 51


def _without_field(document: dict[str, Any]) -> None:
    del document["components"]["schemas"]["Iteration"]["properties"]["publishName"]


def _without_readonly(document: dict[str, Any]) -> None:
    del document["components"]["schemas"]["Tag"]["properties"]["imageCount"]["readOnly"]


def _without_value(document: dict[str, Any]) -> None:
    document["components"]["schemas"]["TagType"]["enum"].remove("GeneralProduct")


def _without_status(document: dict[str, Any]) -> None:
    del document["paths"]["/projects/{projectId}/images/urls"]["post"]["responses"]["207"]


def _other_body(document: dict[str, Any]) -> None:
    del document["components"]["schemas"]["TagUpdate"]["properties"]["type"]


def _not_insisted_on(document: dict[str, Any]) -> None:
    document["components"]["schemas"]["ProjectUpdate"]["x-client-required"].remove("settings")


def _not_always_there(document: dict[str, Any]) -> None:
    document["components"]["schemas"]["BoundingBox"]["required"].remove("width")


def _other_type(document: dict[str, Any]) -> None:
    document["components"]["schemas"]["Export"]["properties"]["newerVersionAvailable"]["type"] = "string"


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (
            _without_operation,
            "TrainProject: the SDK says 'POST /projects/{projectId}/train', api_spec nothing",
        ),
        (_other_maximum, "GetImages query take bounds: the SDK says {'minimum': 0, 'maximum': 256}, "),
        (_other_default, "GetImages query take default: the SDK says 50, api_spec 51"),
        (_without_field, "Iteration.publishName: the SDK says 'str', api_spec nothing"),
        (_without_readonly, "Tag.imageCount read-only: the SDK says True, api_spec False"),
        (_without_value, "TagType values: the SDK says ['GeneralProduct', 'Negative', 'Regular'], "),
        (
            _without_status,
            "CreateImagesFromUrls answer 207: the SDK says 'ImageCreateSummary', api_spec nothing",
        ),
        (_other_body, "Tag as sent: the SDK says ['description', 'name', 'type'], "),
        (_not_insisted_on, "Project as sent, required: the SDK says ['description', 'name', 'settings'], "),
        (_not_always_there, "BoundingBox.width present: the SDK says True, api_spec nothing"),
        (_other_type, "Export.newerVersionAvailable: the SDK says 'bool', api_spec 'str'"),
    ],
)
def test_a_difference_is_one_readable_line(damage: Any, line: str) -> None:
    document = render("training", "3.4-preview")
    damage(document)
    found = differences(sdk_claims("training"), DocumentClaims(document).claims())
    assert any(entry.startswith(line) for entry in found), "\n".join(found)
