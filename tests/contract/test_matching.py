"""Operations are found by method and path, as the router finds them."""

import re

import pytest

from emulator.contract.matching import api_path, operation_at, operations_at, parameters_of
from emulator.contract.operations import BY_NAME, OPERATIONS, Operation


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_every_operation_is_found_by_its_path(operation: Operation) -> None:
    path = re.sub(r"\{\w+(:path)?\}", "0732100f-1a38-4e49-a514-c9b44c697ab5", operation.path)

    assert operation_at(operation.api, operation.method, path) == operation


def test_a_published_name_may_contain_slashes() -> None:
    found = operation_at("prediction", "POST", "/p/classify/iterations/a/b/url/nostore")

    assert found is not None
    assert found.name == "ClassifyImageUrlWithNoStore"


def test_head_stands_for_get() -> None:
    found = operation_at("training", "HEAD", "/projects")

    assert found is not None
    assert found.name == "GetProjects"


def test_unknown_paths_and_methods_have_no_operation() -> None:
    assert operation_at("training", "GET", "/projects/1/nothing") is None
    assert operation_at("training", "PUT", "/projects") is None
    assert operation_at("prediction", "GET", "/projects") is None


def test_the_operations_of_a_path_are_listed_with_all_methods() -> None:
    names = [operation.name for operation in operations_at("training", "/projects/1/tags/2")]

    assert names == ["GetTag", "UpdateTag", "DeleteTag"]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/customvision/v3.3/Training/Projects/ABC/", ("training", "v3.3", "/projects/abc")),
        ("//CustomVision//v3.4-preview//training", ("training", "v3.4-preview", "")),
        (
            "/customvision/v3.1/Prediction/ABC/Classify/Iterations/Name/Two/Image",
            ("prediction", "v3.1", "/abc/classify/iterations/Name/Two/image"),
        ),
        ("/customvision/v3.3/other/projects", None),
        ("/vision/v3.3/training", None),
    ],
)
def test_paths_of_the_apis_are_read_in_any_case(path: str, found: tuple[str, str, str] | None) -> None:
    assert api_path(path) == found


def test_the_parameters_of_a_path() -> None:
    operation = BY_NAME["ClassifyImage"]
    path = "/abc/classify/iterations/Name/Two/image"
    assert parameters_of(operation, path) == {"projectId": "abc", "publishedName": "Name/Two"}
    assert parameters_of(operation, "/projects") == {}
