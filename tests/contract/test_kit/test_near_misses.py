"""The nearest operations of unknown paths, with the differences in words."""

import time

import pytest

from emulator.contract.operations import OPERATIONS, Operation
from emulator.contract.test_kit.near_misses import described, near_misses
from tests.support.harness import NOWHERE

TRAINING = "/customvision/v3.3/training"
PROJECT = f"{TRAINING}/projects/{NOWHERE}"
CLASSIFY = f"{NOWHERE}/classify/iterations/name"


@pytest.mark.parametrize(
    ("method", "path", "operation", "differences"),
    [
        ("GET", f"{PROJECT}/tagz", "GetTags", ["'tagz' instead of 'tags'"]),
        ("POST", f"{PROJECT}/image/files", "CreateImagesFromFiles", ["'image' instead of 'images'"]),
        ("POST", f"{PROJECT}/files", "CreateImagesFromFiles", ["the path lacks /images"]),
        ("GET", f"{TRAINING}/projects/images/count", "GetImageCount", ["the path lacks /{projectId}"]),
        ("GET", f"{PROJECT}/images/tagged/all", "GetTaggedImages", ["/all is one segment too many"]),
        (
            "POST",
            f"{PROJECT}/iterations/{NOWHERE}/train",
            "TrainProject",
            [f"/{NOWHERE} is one segment too many", "/iterations is one segment too many"],
        ),
        ("GET", f"{TRAINING}/projects/abc/tags", "GetTags", ["'abc' is no GUID ({projectId})"]),
        ("GET", f"{PROJECT}/train", "TrainProject", ["the method is GET, TrainProject has POST"]),
        (
            "POST",
            f"{TRAINING}/{CLASSIFY}/image",
            "ClassifyImage",
            ["the path is under /training, ClassifyImage belongs to the Prediction API"],
        ),
        ("POST", f"/customvision/v3.1/prediction/{CLASSIFY}", "ClassifyImage", ["the path lacks /image"]),
        (
            "GET",
            "/training/projects",
            "GetProjects",
            ["the path lacks /customvision", "the path lacks a version, such as /v3.4-preview"],
        ),
        (
            "GET",
            "/v3.3/training/projects",
            "GetProjects",
            ["the path lacks /customvision"],
        ),
        (
            "GET",
            "/customvision/v3.3/projects",
            "GetProjects",
            ["the path lacks the API, /training or /prediction"],
        ),
        (
            "GET",
            "/customvison/v3.3/training/projects",
            "GetProjects",
            ["'customvison' instead of 'customvision'"],
        ),
        (
            "GET",
            "/customvision/v3.3/trainingg/projects",
            "GetProjects",
            ["'trainingg' instead of 'training'"],
        ),
        ("GET", "/customvision/3.3/training/projects", "GetProjects", ["'3.3' instead of 'v3.3'"]),
        (
            "GET",
            "/customvision/latest/training/projects",
            "GetProjects",
            ["'latest' is no version, such as v3.4-preview"],
        ),
        (
            "GET",
            "/customvision/v2.2/training/projects",
            "GetProjects",
            ["version v2.2 is older than v3.0 and retired"],
        ),
        (
            "GET",
            f"/customvision/v3.1/training/projects/{NOWHERE}/images",
            "GetImages",
            ["GetImages exists from version 3.3 on, not in v3.1"],
        ),
    ],
)
def test_the_nearest_operation_comes_first(
    method: str, path: str, operation: str, differences: list[str]
) -> None:
    nearest = near_misses(method, path)[0]
    assert (nearest.operation.name, list(nearest.differences)) == (operation, differences)


@pytest.mark.parametrize(
    "path", ["/favicon.ico", "/", "", "/a/b/c", f"{TRAINING}/nothing", "/robots.txt?x=1"]
)
def test_paths_that_resemble_none_have_no_near_misses(path: str) -> None:
    assert near_misses("GET", path) == ()
    assert described("GET", path) == ""


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_an_operation_with_another_method_or_one_letter_less_is_found(operation: Operation) -> None:
    version = "v3.4-preview" if operation.api == "training" else "v3.1"
    path = operation.path.replace(":path", "").replace("{publishedName}", "name")
    for parameter in ("projectId", "tagId", "iterationId", "imageId", "domainId"):
        path = path.replace(f"{{{parameter}}}", NOWHERE)
    whole = f"/customvision/{version}/{operation.api}{path}"
    assert operation.name in [near.operation.name for near in near_misses("PUT", whole)]
    misspelt = whole[:-1] if not whole.endswith(NOWHERE) else whole.replace("s/", "/")
    assert operation.name in [near.operation.name for near in near_misses(operation.method, misspelt)]


def test_the_description_has_operation_method_template_and_differences() -> None:
    assert described("GET", f"{PROJECT}/tagz") == (
        "GetTags (GET /customvision/v3.3/training/projects/{projectId}/tags): 'tagz' instead of 'tags'"
    )


def test_hostile_paths_cost_little() -> None:
    segments = "/".join("projectsimagestaggedcount" * 4 for _ in range(14))
    started = time.process_time()
    near_misses("GET", f"/{segments}")
    near_misses("GET", "/a" * 2000)
    assert time.process_time() - started < 0.5
