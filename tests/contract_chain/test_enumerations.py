"""Values of enumerations match in any case, wherever a document has one; responses have the contract's."""

import pytest

from tests.contract_chain.enumerations import SENDERS, Place, all_places
from tests.support.harness import Service

PLACES = list(all_places())
# Responses repeat these values.
ECHOED = ("classificationType", "type", "trainingType", "platform", "flavor")


def test_every_enumeration_of_the_documents_is_sent() -> None:
    assert {place for place, _, _ in PLACES} == SENDERS.keys()


@pytest.mark.parametrize(
    ("place", "version", "values"),
    PLACES,
    ids=[f"{operation}-{'.'.join(part)}-{version}" for (_, operation, part), version, _ in PLACES],
)
def test_values_match_in_any_case(
    service: Service, place: Place, version: str, values: tuple[str, ...]
) -> None:
    send = SENDERS[place]
    for value in values:
        answer = send(service, f"v{version}", value)
        if place[2][-1] in ECHOED and place[1] != "ImportModel":
            assert answer == value
        elif place[2][-1] == "targetExportPlatforms":
            assert answer == [value]
        for spelling in (value.lower(), value.upper(), f" {value} "):
            assert send(service, f"v{version}", spelling) == answer, spelling


@pytest.mark.parametrize(
    ("parameter", "path"), [("classificationType", "/projects?name=a"), ("type", "{project}/tags?name=a")]
)
@pytest.mark.parametrize("value", ["0", "1", "-1", "Multiclass,Multilabel", "x"])
def test_numbers_and_other_texts_are_no_values(
    service: Service, parameter: str, path: str, value: str
) -> None:
    path = path.format(project=service.project())
    assert service.refused("POST", f"{path}&{parameter}={value}")[0] == 400


def test_augmentation_methods_match_in_any_case(service: Service) -> None:
    project = service.project()
    body = {"settings": {"imageProcessingSettings": {"augmentationMethods": {"Horizontal Flip": False}}}}
    response = service.send("PATCH", project, json=body)
    methods = response.json()["settings"]["imageProcessingSettings"]["augmentationMethods"]
    assert methods["horizontal flip"] is False
    assert "Horizontal Flip" not in methods
