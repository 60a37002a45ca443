"""Which operations the roles of Azure permit."""

import pytest

from emulator.contract.operations import BY_NAME, OPERATIONS
from emulator.core.rules.roles import ROLES, full_name, role_named

READING = {
    operation.name
    for operation in OPERATIONS
    if operation.method == "GET" and operation.name != "ExportProject"
}
QUERY = {"QueryPredictions"}
PREDICTING = {operation.name for operation in OPERATIONS if operation.api == "prediction"}
IMAGES_AND_TAGS = {
    "CreateTag",
    "UpdateTag",
    "DeleteTag",
    "CreateImagesFromData",
    "CreateImagesFromFiles",
    "CreateImagesFromUrls",
    "CreateImagesFromPredictions",
    "DeleteImages",
    "UpdateImageMetadata",
    "CreateImageTags",
    "DeleteImageTags",
    "CreateImageRegions",
    "DeleteImageRegions",
    "QuerySuggestedImages",
    "QuerySuggestedImageCount",
    "GetImageRegionProposals",
    "SuggestTagsAndRegions",
}
DEPLOYING = {
    "PublishIteration",
    "UnpublishIteration",
    "ExportIteration",
    "QuickTestImage",
    "QuickTestImageUrl",
    "DeletePrediction",
}
EVERY = {operation.name for operation in OPERATIONS}
PERMITTED = {
    "Contributor": EVERY,
    "Trainer": EVERY - {"CreateProject", "DeleteProject", "ImportProject", "ExportProject"},
    "Labeler": READING | QUERY | IMAGES_AND_TAGS,
    "Deployment": READING | QUERY | DEPLOYING | PREDICTING,
    "Reader": READING | QUERY,
}


@pytest.mark.parametrize("name", PERMITTED)
def test_the_operations_of_a_role(name: str) -> None:
    role = role_named(name)

    assert {each.name for each in OPERATIONS if role.permits(each.data_action)} == PERMITTED[name]


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("CreateProject", "projects/action"),
        ("TrainProject", "projects/train/action"),
        ("UpdateTag", "projects/tags/write"),
        ("UnpublishIteration", "projects/iterations/publish/delete"),
        ("GetDomain", "domains/read"),
        ("ClassifyImageUrlWithNoStore", "classify/iterations/url/nostore/action"),
    ],
)
def test_the_data_action_of_an_operation(operation: str, action: str) -> None:
    assert BY_NAME[operation].data_action == action


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_a_role_has_three_names(role: object) -> None:
    for name in (role.name.upper(), full_name(role), f" {role.id} "):  # type: ignore[attr-defined, arg-type]
        assert role_named(name) is role


def test_an_unknown_role_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="Contributor, Trainer, Labeler, Deployment, Reader"):
        role_named("Owner")
