"""Versions, operations, error codes and identifiers: the tables of the contract against `api_spec/`."""

import re
import uuid
from pathlib import Path

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from starlette.routing import Route

import emulator
from emulator.api.routes import add_routes
from emulator.contract import exports
from emulator.contract.error_codes import ERROR_CODES, code_for, http_status
from emulator.contract.gateway_responses import guid
from emulator.contract.operations import OPERATIONS
from emulator.contract.versions import VERSIONS, RetiredVersion, Version, resolve
from tests.contract_chain import spec

ALL_VERSIONS = [version for versions in VERSIONS.values() for version in versions]


@pytest.mark.parametrize("version", ALL_VERSIONS, ids=lambda version: f"{version.api}-{version.name}")
def test_operations_of_a_version_are_those_of_the_contract(version: Version) -> None:
    documented = {
        (operation["operationId"], method.upper(), path)
        for path, item in spec.render(version.api, version.name)["paths"].items()
        for method, operation in item.items()
        if method in spec.METHODS
    }
    ours = {
        (operation.name, operation.method, operation.path.replace(":path}", "}"))
        for operation in OPERATIONS
        if operation.api == version.api and operation.exists_in(version)
    }
    assert ours == documented


def test_every_operation_has_a_route() -> None:
    app = FastAPI(openapi_url=None)
    add_routes(app)
    routes = {route.name: route for route in app.routes if isinstance(route, Route)}
    for operation in OPERATIONS:
        route = routes[operation.name]
        assert (route.path, route.methods) == (f"/{operation.api}{operation.path}", {operation.method})


def test_versions_are_those_of_the_contract() -> None:
    ours = {api: tuple(version.name for version in versions) for api, versions in VERSIONS.items()}
    assert ours == {api: names for api, names in spec.VERSIONS.items() if api != "emulator"}


@pytest.mark.parametrize("version", VERSIONS["training"], ids=str)
def test_platforms_and_flavors_of_a_version_are_those_of_the_contract(version: Version) -> None:
    schemas = spec.render("training", version.name)["components"]["schemas"]
    assert exports.platforms(version) == tuple(schemas["ExportPlatform"]["enum"])
    listed = (*schemas["ExportFlavor"]["enum"], *schemas["UnlistedExportFlavor"]["enum"])
    assert exports.flavors(version) == listed


def codes_of(version: Version) -> set[str]:
    schemas = spec.render(version.api, version.name)["components"]["schemas"]
    return set(schemas["CustomVisionErrorCodes"]["enum"])


def test_error_codes_are_those_of_the_newest_version() -> None:
    assert codes_of(VERSIONS["training"][-1]) == ERROR_CODES


def codes_in_use() -> set[str]:
    """Every code of the contract that occurs as a string in core or api."""
    folder = Path(emulator.__file__).parent
    source = "".join(path.read_text() for part in ("api", "core") for path in (folder / part).rglob("*.py"))
    return {text for text in re.findall(r'"([A-Z]\w+)"', source) if text in ERROR_CODES}


@pytest.mark.parametrize("version", ALL_VERSIONS, ids=lambda version: f"{version.api}-{version.name}")
def test_a_version_gets_only_codes_that_it_lists(version: Version) -> None:
    # These concern features that only some versions have.
    of_later_operations = {
        "BadRequestExportWhileTraining": (3, 2),
        "BadRequestInvalidImportToken": (3, 2),
        "BadRequestImageMetadataKey": (3, 3),
        "BadRequestImageMetadataValue": (3, 3),
        "BadRequestInvalidArtifactUri": (3, 3),
    } | {
        f"BadRequestCustomBaseModel{what}": (3, 4)
        for what in ("IterationStatusNotCompleted", "DomainNotCompatible")
    }
    of_training_alone = {*of_later_operations, "BadRequestIterationNotPublished"}
    possible = {
        code_for(code, version)
        for code in codes_in_use()
        if (version.api == "training" and version.number >= of_later_operations.get(code, (3, 0)))
        or (version.api == "prediction" and code not in of_training_alone)
    }
    assert possible > {"NotFoundProject"}
    assert possible - codes_of(version) == set()


def test_every_code_in_a_source_is_known() -> None:
    folder = Path(emulator.__file__).parent
    source = "".join(path.read_text() for part in ("api", "core") for path in (folder / part).rglob("*.py"))
    raised = set(re.findall(r'"((?:BadRequest|NotFound|Conflict|Forbidden)\w*)"', source))
    assert raised - ERROR_CODES == set()
    assert len(raised) > 30


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("BadRequest", 400),
        ("BadRequestTagNameNotUnique", 400),
        ("NotFoundIteration", 404),
        ("ForbiddenUser", 403),
        ("ConflictInvalid", 409),
        ("UnsupportedMediaType", 415),
        ("ErrorUnknown", 500),
    ],
)
def test_the_status_follows_from_the_code(code: str, status: int) -> None:
    assert http_status(code) == status


@pytest.mark.parametrize(
    ("api", "text", "served", "exact"),
    [
        ("training", "v3.0", "3.0", True),
        ("training", "v3.4-preview", "3.4-preview", True),
        ("training", "V3.4-PREVIEW", "3.4-preview", True),
        ("training", "v3.4", "3.4-preview", False),
        ("training", "v3.5", "3.4-preview", False),
        ("training", "v3.4-preview.2", "3.4-preview", False),
        ("training", "v4", "3.4-preview", False),
        ("training", "v12.7", "3.4-preview", False),
        ("training", "v3", "3.0", False),
        ("prediction", "v3.1", "3.1", True),
        ("prediction", "v3.4-preview", "3.1", False),
    ],
)
def test_which_version_serves_which(api: str, text: str, served: str, exact: bool) -> None:
    version, is_exact = resolve(api, text)  # type: ignore[arg-type]
    assert (version.name, version.api, is_exact) == (served, api, exact)


@pytest.mark.parametrize("text", ["v1.0", "v2.2", "v2", "v0.9"])
def test_versions_before_the_third_are_retired(text: str) -> None:
    with pytest.raises(RetiredVersion):
        resolve("training", text)


@given(st.text())
def test_any_text_is_a_version_retired_or_no_version(text: str) -> None:
    try:
        version, _ = resolve("training", text)
    except (RetiredVersion, ValueError):
        return
    assert version in VERSIONS["training"]


@given(st.uuids(), st.booleans())
def test_guids_are_read_in_every_usual_spelling(value: uuid.UUID, upper: bool) -> None:
    for text in (str(value), value.hex, f"{{{value}}}"):
        assert guid(text.upper() if upper else text) == str(value)


@pytest.mark.parametrize(
    "text", ["", "x", "1" * 31, "1" * 33, f"{uuid.UUID(int=1)} ", f"{uuid.UUID(int=1)}\n", None, 5]
)
def test_texts_that_are_not_guids(text: object) -> None:
    with pytest.raises(ValueError, match="is not a GUID"):
        guid(text)
