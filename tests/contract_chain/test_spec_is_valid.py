"""api_spec/ is valid, complete, and has for each version what the service had in it."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.contract_chain.spec import API_SPEC, METHODS, VERSIONS, render, renderer

ALL = [(api, version) for api, versions in VERSIONS.items() for version in versions]
each_document = pytest.mark.parametrize(("api", "version"), ALL)


def walk(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    yield path, node
    if isinstance(node, dict):
        for key, value in node.items():
            yield from walk(value, f"{path}/{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from walk(value, f"{path}/{index}")


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = [
        operation
        for item in document["paths"].values()
        for method, operation in item.items()
        if method in METHODS
    ]
    by_id = {operation["operationId"]: operation for operation in found}
    assert len(by_id) == len(found), "an operationId is used twice"
    return by_id


@each_document
def test_documents_are_valid_openapi(api: str, version: str) -> None:
    document = render(api, version)
    errors = OpenAPIV31SpecValidator(document).iter_errors()
    problems = [f"{error.json_path}: {error.message}" for error in errors]
    assert problems == []


@each_document
def test_no_mark_of_the_source_is_left(api: str, version: str) -> None:
    marks = ("x-since", "x-until", "x-by-version", "x-order", "x-every-operation", "x-include")
    left = [path for path, _ in walk(render(api, version)) if path.rpartition("/")[2] in marks]
    assert left == []


# JSON Schema allows any keyword, so a typo (`{type: string, description: one, two}`) would go unnoticed.
KEYWORDS = {
    *("$ref", "type", "format", "pattern", "enum", "const", "default", "description", "readOnly", "required"),
    *("properties", "propertyNames", "additionalProperties", "items", "oneOf", "allOf", "contentEncoding"),
    *("contentMediaType", "minimum", "maximum", "minItems", "maxItems", "minLength", "maxLength"),
    *("minProperties", "maxProperties", "x-client-model", "x-client-required", "x-not-in-clients"),
}


@each_document
def test_schemas_use_known_keywords(api: str, version: str) -> None:
    def schemas(node: Any) -> Iterator[dict[str, Any]]:
        yield node
        for key in ("items", "propertyNames", "additionalProperties"):
            if isinstance(node.get(key), dict):  # not `additionalProperties: false`
                yield from schemas(node[key])
        for part in (*node.get("properties", {}).values(), *node.get("oneOf", []), *node.get("allOf", [])):
            yield from schemas(part)

    for name, schema in render(api, version)["components"]["schemas"].items():
        for part in schemas(schema):
            assert part.keys() <= KEYWORDS, name


@each_document
def test_schemas_require_only_what_they_have(api: str, version: str) -> None:
    for name, schema in render(api, version)["components"]["schemas"].items():
        assert set(schema.get("required", [])) <= schema.get("properties", {}).keys(), name
        assert set(schema.get("x-client-required", [])) <= schema.get("properties", {}).keys(), name


@each_document
def test_schemas_are_valid_json_schema(api: str, version: str) -> None:
    for schema in render(api, version)["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


@each_document
def test_every_operation_is_explained(api: str, version: str) -> None:
    document = render(api, version)
    themes = {tag["name"] for tag in document["tags"]}
    for name, operation in operations(document).items():
        assert operation["summary"].endswith("."), name
        assert set(operation["tags"]) <= themes, name
        assert any(re.fullmatch(r"[23]\d\d", status) for status in operation["responses"]), name


COUNTS = {
    ("training", "3.0"): (43, 113),
    ("training", "3.1"): (46, 114),
    ("training", "3.2"): (48, 121),
    ("training", "3.3"): (52, 130),
    ("training", "3.4-preview"): (52, 137),
    ("prediction", "3.0"): (8, 112),
    ("prediction", "3.1"): (8, 130),
}


@pytest.mark.parametrize(("api", "version"), COUNTS)
def test_versions_have_their_number_of_operations_and_error_codes(api: str, version: str) -> None:
    document = render(api, version)
    codes = document["components"]["schemas"]["CustomVisionErrorCodes"]["enum"]
    assert len(set(codes)) == len(codes)
    assert (len(operations(document)), len(codes)) == COUNTS[api, version]


NEW_OPERATIONS = {
    "3.1": {"SuggestTagsAndRegions", "QuerySuggestedImages", "QuerySuggestedImageCount"},
    "3.2": {"ExportProject", "ImportProject"},
    "3.3": {"GetArtifact", "GetImages", "GetImageCount", "UpdateImageMetadata"},
    "3.4-preview": set[str](),
}


def test_operations_come_with_their_version() -> None:
    before = operations(render("training", "3.0")).keys()
    for version, expected in NEW_OPERATIONS.items():
        now = operations(render("training", version)).keys()
        assert now - before == expected, version
        assert before <= now, version
        before = now


# Path into a document of the Training API -> the versions that have it.
SINCE = {
    "components/schemas/Project/properties/status": "3.2",
    "components/schemas/ProjectSettings/properties/imageProcessingSettings": "3.1",
    "components/schemas/Iteration/properties/trainingTimeInMinutes": "3.1",
    "components/schemas/Iteration/properties/customBaseModelInfo": "3.4-preview",
    "components/schemas/Iteration/properties/trainingErrorDetails": "3.4-preview",
    "components/schemas/Domain/properties/exportablePlatforms": "3.4-preview",
    "components/schemas/Domain/properties/modelInformation": "3.4-preview",
    "components/schemas/Prediction/properties/tagType": "3.3",
    "components/schemas/Image/properties/metadata": "3.3",
    "components/schemas/ImageFileCreateBatch/properties/metadata": "3.3",
    "components/schemas/TrainingParameters": "3.2",
    "components/schemas/TrainingParameters/properties/customBaseModelInfo": "3.4-preview",
    "components/schemas/CreateProjectOptions": "3.4-preview",
    "operations/DeleteImages/responses/202": "3.1",
    "operations/DeleteImages/parameters/allImages": "3.1",
    "operations/DeleteImages/parameters/allIterations": "3.1",
    "operations/QuickTestImage/parameters/store": "3.1",
    "operations/TrainProject/requestBody": "3.2",
    "operations/PublishIteration/parameters/overwrite": "3.3",
    "operations/ImportProject/parameters/name": "3.3",
    "operations/CreateImagesFromData/responses/207": "3.3",
    "operations/CreateImagesFromFiles/responses/207": "3.3",
    "operations/CreateImagesFromUrls/responses/207": "3.3",
    "operations/CreateImagesFromPredictions/responses/207": "3.3",
    "operations/CreateImageRegions/responses/207": "3.3",
    "operations/GetTag/responses/200/headers/Request-Id": "3.2",
    "values/TagType/GeneralProduct": "3.3",
    "values/ExportPlatform/OpenVino": "3.3",
    "values/ExportFlavor/TensorFlowNormal": "3.1",
    "values/ExportFlavor/TensorFlowLite": "3.1",
    "values/ImageCreateStatus/ErrorInvalidTag": "3.4-preview",
    "values/ImageCreateStatus/ErrorImageDimensions": "3.4-preview",
}


def has(document: dict[str, Any], path: str) -> bool:
    kind, name, *rest = path.split("/")
    if kind == "values":
        return rest[0] in document["components"]["schemas"][name]["enum"]
    if kind == "operations" and rest[0] == "parameters":
        parameters = operations(document).get(name, {}).get("parameters", [])
        names = {entry.get("name", entry.get("$ref", "").rpartition("/")[2]) for entry in parameters}
        return rest[1] in names
    node: Any = operations(document).get(name, {}) if kind == "operations" else document[kind][name]
    for key in rest:
        if key not in node:
            return False
        node = node[key]
    return True


@pytest.mark.parametrize(("path", "since"), SINCE.items())
def test_parts_come_with_their_version(path: str, since: str) -> None:
    versions = VERSIONS["training"]
    found = [version for version in versions if has(render("training", version), path)]
    assert found == list(versions[versions.index(since) :])


def test_image_ids_must_be_given_to_delete_images_in_the_oldest_version_only() -> None:
    required = {}
    for version in VERSIONS["training"]:
        parameters = operations(render("training", version))["DeleteImages"]["parameters"]
        image_ids = next(entry for entry in parameters if entry.get("name") == "imageIds")
        required[version] = image_ids.get("required", False)
    assert [version for version, value in required.items() if value] == ["3.0"]


def test_settings_have_another_order_in_the_oldest_version() -> None:
    orders = {
        version: list(render("training", version)["components"]["schemas"]["ProjectSettings"]["properties"])
        for version in VERSIONS["training"]
    }
    assert orders["3.0"][2:] == ["useNegativeSet", "detectionParameters", "targetExportPlatforms"]
    assert orders["3.1"][2:5] == ["targetExportPlatforms", "useNegativeSet", "detectionParameters"]


def test_the_caller_may_change_a_rendered_document() -> None:
    render("prediction", "3.1")["paths"].clear()
    assert render("prediction", "3.1")["paths"]


@pytest.mark.parametrize(("api", "version"), [("training", "3.5"), ("prediction", "3.3"), ("portal", "1")])
def test_unknown_documents_are_refused(api: str, version: str) -> None:
    with pytest.raises(renderer.SpecError, match=f"there is no {api} {version}"):
        render(api, version)


def test_the_script_prints_documents() -> None:
    command = [sys.executable, str(API_SPEC / "render.py"), "training", "3.2"]
    for arguments, load in (([], yaml.safe_load), (["--json"], json.loads)):
        run = subprocess.run([*command, *arguments], capture_output=True, check=True, encoding="utf-8")
        assert load(run.stdout) == render("training", "3.2")
        assert "&id" not in run.stdout, "aliases are hard to read"


def test_the_script_refuses_an_unknown_version_in_one_line() -> None:
    command = [sys.executable, str(API_SPEC / "render.py"), "training", "2.0"]
    run = subprocess.run(command, capture_output=True, check=False, encoding="utf-8")
    assert run.returncode == 2
    assert run.stderr.count("\n") == 1
    assert "there is no training 2.0" in run.stderr


def test_facts_say_how_they_are_known() -> None:
    text = (API_SPEC / "facts.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (?!Fact )(.+)$", text, re.MULTILINE)
    assert len(rows) > 80
    for row in rows:
        cells = [cell.strip() for cell in row.removesuffix("|").split(" | ")]
        assert cells[1].split(" ")[0] in {"recorded", "documented", "inferred"}, row


def test_facts_name_codes_that_exist() -> None:
    schemas = render("training", "3.4-preview")["components"]["schemas"]
    enumerations = ("CustomVisionErrorCodes", "ImageCreateStatus", "ImageMetadataUpdateStatus")
    known = {value for name in enumerations for value in schemas[name]["enum"]}
    # One status is not in the enumeration of the clients.
    status = schemas["ImageCreateResult"]["properties"]["status"]
    known |= {choice["const"] for choice in status["oneOf"] if "const" in choice}
    text = (API_SPEC / "facts.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:BadRequest|NotFound|Error|Conflict|Forbidden)\w+)`", text))
    assert named
    assert named <= known
