"""First link of the chain: api_spec/ agrees with the installed official SDKs.

Every operation, path, parameter, bound, default, enum value, accepted status, model field and mark that a
version of the Python or of the JavaScript SDK has is compared, both ways, with the document
of the version that it covers.
"""

import json
import os
import subprocess
from functools import cache
from typing import Any

import pytest

from tests.contract_chain.agreement import assert_agreement, differences
from tests.contract_chain.document_claims import JAVASCRIPT, PYTHON, DocumentClaims
from tests.contract_chain.javascript_claims import JavaScriptClaims
from tests.contract_chain.sdk_claims import Claims
from tests.contract_chain.spec import render
from tests.sdk.installed import CURRENT, NEWEST_JAVASCRIPT, SDKS, Sdk, command

APIS = ("training", "prediction")
# The number of operations and models of each version of each API: a reader that misses some would make
# the comparison pass too easily.
EXTENT = {
    ("training", "3.0"): (43, 39),
    ("training", "3.2"): (48, 47),
    ("training", "3.3"): (52, 49),
    ("training", "3.4-preview"): (52, 52),
    ("prediction", "3.0"): (8, 5),
    ("prediction", "3.1"): (8, 5),
}
by_sdk = pytest.mark.parametrize("sdk", SDKS, ids=str)
by_api = pytest.mark.parametrize("api", APIS)


@cache
def said(sdk: Sdk) -> Any:
    """The claims of this SDK, by API, from a process that imports it."""
    program = "contract_chain.sdk_claims" if sdk.language == "Python" else "claims"
    line, environment = command(sdk, program)
    ended = subprocess.run(
        line, env={**os.environ, **environment}, capture_output=True, encoding="utf-8", check=False
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def sdk_claims(sdk: Sdk, api: str) -> Claims:
    if sdk.language == "JavaScript":
        return JavaScriptClaims(said(sdk)[api]).claims()
    claims: Claims = said(sdk)[api]["claims"]
    return claims


def document_claims(sdk: Sdk, api: str) -> Claims:
    words = PYTHON if sdk.language == "Python" else JAVASCRIPT
    return DocumentClaims(render(api, sdk.speaks(api)), words).claims()


@by_api
@by_sdk
def test_the_sdk_speaks_the_version_that_is_compared(sdk: Sdk, api: str) -> None:
    assert said(sdk)[api]["address"] == f"{{Endpoint}}/customvision/v{sdk.speaks(api)}/{api}"


@by_api
@by_sdk
def test_sdk_and_document_agree(sdk: Sdk, api: str) -> None:
    assert_agreement(api, sdk.speaks(api), sdk_claims(sdk, api), document_claims(sdk, api))


@by_api
@by_sdk
def test_the_sdk_is_read_completely(sdk: Sdk, api: str) -> None:
    found = sdk_claims(sdk, api)
    operations = [subject for subject, value in found.items() if str(value).split(" ")[0] in METHODS]
    models = {subject.split(".")[0] for subject in found if "." in subject.split(" ")[0]}
    assert (len(operations), len(models)) == EXTENT[api, sdk.speaks(api)]


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
    [sdk] = (sdk for sdk in SDKS if sdk.version == CURRENT)
    found = differences(sdk_claims(sdk, "training"), DocumentClaims(document).claims())
    assert any(entry.startswith(line) for entry in found), "\n".join(found)


def test_the_javascript_sdk_tells_ids_from_other_text() -> None:
    document = render("training", "3.4-preview")
    document["components"]["schemas"]["Tag"]["properties"]["id"] = {"type": "string", "readOnly": True}
    [sdk] = (sdk for sdk in SDKS if sdk.version == NEWEST_JAVASCRIPT)
    found = differences(sdk_claims(sdk, "training"), DocumentClaims(document, JAVASCRIPT).claims())
    assert found == ["Tag.id: the SDK says 'uuid', api_spec 'str'"]
