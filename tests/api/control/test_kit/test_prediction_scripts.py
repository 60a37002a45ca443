"""Scripted predictions in the control API: refused scripts, the list, removing."""

from typing import Any

import pytest

from tests.support.detection import detection_project
from tests.support.harness import NOWHERE, Service, expect, refusal
from tests.support.scripting import SCRIPTS, Published, boxed, likely, scripted


@pytest.fixture
def published(service: Service) -> Published:
    return Published(service)


# --- refusals -----------------------------------------------------------------------------------------------


def refused(service: Service, *predictions: dict[str, Any], **script: Any) -> tuple[int, str, str]:
    response = service.request("POST", SCRIPTS, json={"predictions": list(predictions), **script})
    result = refusal(response)
    assert expect(service.request("GET", SCRIPTS)) == {"allUsed": True, "scripts": []}
    return result


@pytest.mark.parametrize("probability", [-0.01, 1.01, 1e300])
def test_a_probability_out_of_range(service: Service, probability: float) -> None:
    status, code, message = refused(service, likely("red", 0.5), likely("blue", probability))
    assert (status, code) == (400, "BadRequest")
    assert message.startswith("predictions[1].probability is ")


@pytest.mark.parametrize("text", ["NaN", "Infinity"])
def test_numbers_that_json_does_not_have(service: Service, text: str) -> None:
    body = f'{{"predictions": [{{"tagName": "red", "probability": {text}}}]}}'
    status, code, message = refusal(service.request("POST", SCRIPTS, content=body))
    assert (status, code) == (400, "BadRequest")
    assert message.startswith("The request body is not JSON: ")


@pytest.mark.parametrize("text", ['"0.5"', "true", "null"])
def test_a_probability_that_is_not_a_number(service: Service, text: str) -> None:
    body = f'{{"predictions": [{{"tagName": "red", "probability": {text}}}]}}'
    status, code, message = refusal(service.request("POST", SCRIPTS, content=body))
    assert (status, code) == (400, "BadRequest")
    assert "predictions[0].probability" in message


@pytest.mark.parametrize(
    ("box", "problem"),
    [
        ({"left": 0.8}, "left + width is 1.1, more than 1"),
        ({"top": -0.1}, "top is -0.1, less than 0"),
        ({"width": 0}, "width is 0, which leaves nothing"),
        ({"height": -0.2}, "height is -0.2"),
        ({"left": 1e300}, "left + width is 1e+300"),
    ],
)
def test_a_box_that_leaves_the_image(service: Service, box: dict[str, float], problem: str) -> None:
    status, _, message = refused(service, boxed("car", 0.5, **box))
    assert status == 400
    assert message.startswith("predictions[0].boundingBox is not within the image: ")
    assert problem in message


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ({"times": 0}, "times is 0; it must be at least 1"),
        ({"times": -1}, "times is -1"),
        ({"times": 10**12}, "times is 1000000000000"),
        ({"times": 1.5}, "times is "),
        ({"image": {}}, "image must have either sha256 or contents."),
        ({"image": {"sha256": "12"}}, "image.sha256 must have 64 hexadecimal digits."),
        ({"image": {"sha256": "0" * 64, "contents": ""}}, "image must have either"),
        ({"image": {"contents": "äöü"}}, "image.contents is not in base64."),
        ({"image": {"contents": ""}}, "image.contents is empty."),
        ({"image": {"contents": "A" * 9_000_000}}, "image.contents has more than 6291456 bytes"),
        ({"publishedName": ""}, "The name of the published iteration must not be empty."),
        ({"prediction": []}, "unknown property 'prediction'"),
        ({"PublishedName": "live"}, "unknown property 'PublishedName'"),
        ({"image": {"sha": "0" * 64}}, "unknown property 'image.sha'"),
        ({"predictions": [{"probability": 1}]}, "predictions[0] has neither tagName nor tagId."),
        ({"predictions": [{"tagName": "red"}]}, "predictions[0].probability is "),
        ({"predictions": [likely("red", 1)] * 2}, "A classifier predicts each tag once"),
        ({"predictions": [likely("a", 1), boxed("b", 1)]}, "Either all predictions have a boundingBox"),
        ({"predictions": [likely(str(number), 1) for number in range(501)]}, "at most 500"),
        ({"predictions": None}, "predictions is "),
        ({"predictions": [{**likely("red", 1), "tagType": "Regular"}]}, "'predictions[0].tagType'"),
    ],
)
def test_scripts_that_break_a_rule(service: Service, script: dict[str, Any], message: str) -> None:
    response = service.request("POST", SCRIPTS, json={"predictions": [], **script})
    status, code, text = refusal(response)
    assert status == 400
    assert code.startswith("BadRequest")
    assert message in text
    assert expect(service.request("GET", SCRIPTS))["scripts"] == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"null", b"{}"])
def test_bodies_that_are_no_script(service: Service, body: bytes) -> None:
    assert refusal(service.request("POST", SCRIPTS, content=body))[:2] == (400, "BadRequest")


def test_a_body_that_is_too_large(service: Service) -> None:
    response = service.request("POST", SCRIPTS, content=b" " * (16 * 2**20 + 1))
    assert response.status_code == 413
    assert "at most 16777216 bytes" in response.text


def test_an_id_that_is_not_a_guid(service: Service) -> None:
    assert refused(service, projectId="project")[:2] == (400, "BadRequest")


def test_an_unknown_project_or_iteration(published: Published) -> None:
    service = published.service
    assert refused(service, projectId=NOWHERE)[:2] == (404, "NotFoundProject")
    assert refused(service, iterationId=NOWHERE)[:2] == (404, "NotFoundIteration")
    other = service.project("other").rpartition("/")[2]
    assert refused(service, projectId=other, iterationId=published.iteration_id)[:2] == (
        404,
        "NotFoundIteration",
    )


@pytest.mark.parametrize("target", ["projectId", "iterationId"])
def test_an_unknown_tag_of_a_known_project(published: Published, target: str) -> None:
    known = {"projectId": published.project_id, "iterationId": published.iteration_id}
    status, code, message = refused(
        published.service, likely("red", 1), likely("purple", 0), **{target: known[target]}
    )
    assert (status, code) == (404, "NotFoundTag")
    assert message.startswith("There is no tag 'purple'; the tags are: '")


def test_a_tag_that_is_newer_than_the_iteration(published: Published) -> None:
    service = published.service
    service.tag(published.project, "green")
    of_project = {"projectId": published.project_id}
    assert refused(service, likely("green", 1), **of_project, publishedName="live")[1] == "NotFoundTag"
    assert refused(service, likely("green", 1), **of_project, iterationId=published.iteration_id)[0] == 404
    assert scripted(service, likely("green", 1), **of_project, publishedName="next")["used"] == 0


def test_boxes_for_a_classifier_and_none_for_a_detector(published: Published) -> None:
    service = published.service
    message = refused(service, boxed("red", 1), projectId=published.project_id)[2]
    assert message == "The project classifies images, so predictions must not have a boundingBox."
    project_id = detection_project(service).rpartition("/")[2]
    message = refused(service, likely("car", 1), projectId=project_id)[2]
    assert message == "The project detects objects, so each prediction must have a boundingBox."


def test_a_tag_that_is_named_twice_by_id_and_name(published: Published) -> None:
    predictions = [likely("red", 1), {"tagId": published.red, "probability": 0}]
    message = refused(published.service, *predictions, projectId=published.project_id)[2]
    assert message == "A classifier predicts each tag once; 'red' is there twice."


# --- the list -----------------------------------------------------------------------------------------------


def test_which_scripts_were_used(published: Published) -> None:
    service = published.service
    first = scripted(service, likely("red", 1), times=2)
    second = scripted(service, publishedName="live")
    assert (first["used"], first["remaining"], second["used"], second["remaining"]) == (0, 2, 0, None)
    for expected in (False, False, True):
        published.predict()
        shown = expect(service.request("GET", SCRIPTS))
        assert shown["allUsed"] is expected
    assert [(one["id"], one["used"], one["remaining"]) for one in shown["scripts"]] == [
        (first["id"], 2, 0),
        (second["id"], 1, None),
    ]
    assert expect(service.request("GET", f"{SCRIPTS}/{first['id']}")) == shown["scripts"][0]


def test_a_script_is_shown_as_it_was_set(published: Published) -> None:
    target = {
        "projectId": published.project_id,
        "publishedName": "live",
        "iterationId": published.iteration_id,
        "times": 3,
        "image": {"sha256": "a" * 64},
    }
    made = scripted(
        published.service, {"tagId": published.red, "tagName": "red", "probability": 0.1}, **target
    )
    assert {name: made[name] for name in target} == target
    assert made["predictions"] == [{"probability": 0.1, "tagId": published.red, "tagName": "red"}]


def test_scripts_are_removed(published: Published) -> None:
    service = published.service
    before = published.predict()
    one, _, _ = (scripted(service, likely("red", 1)) for _ in range(3))
    assert service.request("DELETE", f"{SCRIPTS}/{one['id']}").status_code == 204
    assert refusal(service.request("DELETE", f"{SCRIPTS}/{one['id']}"))[:2] == (404, "NotFound")
    assert refusal(service.request("GET", f"{SCRIPTS}/{one['id']}"))[:2] == (404, "NotFound")
    assert service.request("DELETE", SCRIPTS).status_code == 204
    assert expect(service.request("GET", SCRIPTS)) == {"allUsed": True, "scripts": []}
    assert published.predict() == before


def test_a_reset_removes_scripts(published: Published) -> None:
    scripted(published.service, likely("red", 1))
    published.service.request("POST", "/_emulator/reset")
    assert expect(published.service.request("GET", SCRIPTS))["scripts"] == []


def test_the_number_of_scripts_is_limited(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emulator.core.predictions.scripted._MAX_SCRIPTS", 2)
    scripted(service), scripted(service)
    message = refusal(service.request("POST", SCRIPTS, json={"predictions": []}))[2]
    assert message == "There are 2 scripts; delete those that are no longer needed."


def test_a_training_key_is_required(service: Service) -> None:
    for method in ("GET", "POST", "DELETE"):
        assert service.request(method, SCRIPTS, key=None).status_code == 401
