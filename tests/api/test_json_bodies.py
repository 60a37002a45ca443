"""JSON bodies: what the service's reader accepts beyond strict JSON, and how much is read of any body."""

import base64
from typing import Any

import httpx
import pytest

from emulator.contract.json_text import MAX_VALUES
from emulator.contract.operations import OPERATIONS
from emulator.contract.requests import MAX_ITEMS
from emulator.core.rules.limits import IMAGE_BODY_BYTES, TEXT_BODY_BYTES
from tests.support.harness import COMPACT, NOWHERE, PREDICTION_KEY, Service, expect, refusal
from tests.support.images import picture
from tests.support.predicting import Predicted

TOO_MANY = (400, "BadRequestExceededBatchSize")
DETECTION = "da2e3a8a-40a5-4171-82f4-58522f70fbc1"
# An operation, its path, and the lists and objects of its body.
BODIES: list[tuple[str, str, list[str]]] = [
    ("POST", "/images/files", ["images", "tagIds", "metadata", "images.regions", "images.tagIds"]),
    ("POST", "/images/urls", ["images", "tagIds", "metadata", "images.regions", "images.tagIds"]),
    ("POST", "/images/predictions", ["images", "tagIds", "metadata", "images.regions", "images.tagIds"]),
    ("POST", "/images/regions", ["regions"]),
    ("POST", "/images/tags", ["tags"]),
    ("POST", "/predictions/query", ["tags"]),
    ("POST", f"/images/suggested?iterationId={NOWHERE}", ["tagIds"]),
    ("POST", f"/images/suggested/count?iterationId={NOWHERE}", ["tagIds"]),
    ("POST", "/train", ["selectedTags"]),
    ("PATCH", "", ["settings.targetExportPlatforms", "settings.imageProcessingSettings.augmentationMethods"]),
    ("POST", f"/images/metadata?imageIds={NOWHERE}", [""]),
    ("PATCH", f"/tags/{NOWHERE}", ["anything"]),
    ("PATCH", f"/iterations/{NOWHERE}", ["anything"]),
    ("POST", f"/quicktest/url?iterationId={NOWHERE}", ["anything"]),
]
LISTS = [(method, path, name) for method, path, names in BODIES for name in names]
OBJECTS = ("", "metadata", "settings.imageProcessingSettings.augmentationMethods")


def nested(name: str, content: bytes) -> bytes:
    """A body whose property at a path of names has `content`; `images` on the way is a list of one."""
    for part in reversed(name.split(".")) if name else ():
        is_list = part == "images" and name != "images"
        content = b'{"%s":%s}' % (part.encode(), b"[%s]" % content if is_list else content)
    return content


def send(service: Service, method: str, path: str, body: str | bytes) -> httpx.Response:
    return service.send(method, path, content=body, headers={"Content-Type": "application/json"})


# --- limits -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path", "name"), LISTS)
def test_the_number_of_values_is_limited(service: Service, method: str, path: str, name: str) -> None:
    project = service.project()
    for item in (b"{}", b'""', b"0", b"[]"):
        body = nested(name, b"[" + (item + b",") * MAX_VALUES + item + b"]")
        response = send(service, method, project + path, body)
        if "quicktest" in path:  # other errors precede those of this body
            assert response.status_code == 404
        else:
            assert refusal(response)[:2] == TOO_MANY
            assert refusal(response)[2] == f"The request body has more than {MAX_VALUES} values."


@pytest.mark.parametrize(("method", "path", "name"), [row for row in LISTS if row[2] != "anything"])
def test_the_number_of_items_is_limited_before_they_are_evaluated(
    service: Service, method: str, path: str, name: str
) -> None:
    if name in OBJECTS:
        items = b",".join(b'"%d":true' % number for number in range(MAX_ITEMS + 1))
        content = b"{" + items + b"}"
    else:
        item = b'"%s"' % NOWHERE.encode() if name.endswith(("Ids", "Tags", "Platforms")) else b"{}"
        if name in ("tags", "regions", "images.regions"):
            text = f'{{"id":"{NOWHERE}","imageId":"{NOWHERE}","tagId":"{NOWHERE}","left":0,"top":0,'
            item = (text + '"width":1,"height":1}').encode()
        elif name == "images":
            item = f'{{"id":"{NOWHERE}","url":"x"}}'.encode()
        content = b"[" + (item + b",") * MAX_ITEMS + item + b"]"
    body = nested(name, content)
    if name.startswith("images."):
        body = body.replace(b"[{", b'[{"url":"x","id":"%s",' % NOWHERE.encode(), 1)
    response = send(service, method, service.project() + path, body)
    assert refusal(response)[:2] == TOO_MANY


def test_the_first_invalid_item_ends_the_validation(service: Service) -> None:
    body = nested("tags", b"[" + b"{}," * 5000 + b"{}]")
    status, code, message = refusal(send(service, "POST", f"{service.project()}/images/tags", body))
    assert (status, code) == (400, "BadRequest")
    assert message == "The request body is invalid at 'tags.0.imageId': Field required"


@pytest.mark.parametrize(
    "body",
    [
        b'{"name":' * 5000,
        b'{"name":' + b"[" * 200_000,
        b'{"name":{"' + b"x" * 1_000_000 + b'":[]}}',
        b'{"settings":{"imageProcessingSettings":{"augmentationMethods":{"' + b"x" * 1_000_000 + b'":[]}}}}',
        b'{"name":"' + b"x" * 1_000_000,
        b"{'name':'" + b"\\n" * 400_000,
        b"{'settings':" + b"/**/" * 400_000,
        b"{" + b"x" * 1_000_000,
        b'{"name":' + b"9" * 1_000_000 + b"x}",
        b'{"settings":{"domainId":' + b"9" * 1_000_000 + b"}}",
    ],
)
def test_odd_bodies_are_refused_with_short_messages(service: Service, body: bytes) -> None:
    status, code, message = refusal(send(service, "PATCH", service.project(), body))
    assert (status, code) in ((400, "BadRequest"), (400, "BadRequestInvalidIds"))
    assert len(message) < 300


@pytest.mark.parametrize("number", ["9" * 400, "1e999", "-1e999", "NaN", "Infinity", '"NaN"', "true"])
def test_numbers_that_are_not_finite_are_refused(service: Service, number: str) -> None:
    project = service.project(domainId=DETECTION)
    path = f"{project}/images/suggested?iterationId={NOWHERE}"
    body = f'{{"threshold":{number}}}'
    assert refusal(send(service, "POST", path, body))[0] == 400


def test_bodies_without_images_have_a_limit_of_their_own(service: Service) -> None:
    project = service.project()
    for method, path in (
        ("GET", "/projects"),
        ("POST", f"{project}/images/urls"),
        ("POST", f"{project}/train"),
        ("POST", f"{project}/quicktest/url?iterationId={NOWHERE}"),
        ("PATCH", project),
    ):
        response = send(service, method, path, b" " * (TEXT_BODY_BYTES + 1))
        assert response.status_code == 413
    # This operation has images in its JSON.
    padded = b'{"images":[]}' + b" " * TEXT_BODY_BYTES
    assert refusal(send(service, "POST", f"{project}/images/files", padded))[0] == 400


def test_bodies_of_one_image_have_a_limit_of_their_own(service: Service) -> None:
    path = f"{service.project()}/quicktest/image?iterationId={NOWHERE}"
    headers = {"Content-Type": "application/octet-stream"}
    response = service.send("POST", path, content=bytes(IMAGE_BODY_BYTES + 1), headers=headers)
    assert response.status_code == 413
    response = service.send("POST", path, content=bytes(TEXT_BODY_BYTES + 1), headers=headers)
    assert response.status_code != 413


def test_operations_with_images_in_their_bodies() -> None:
    names = {kind: {one.name for one in OPERATIONS if one.body_kind == kind} for kind in ("image", "images")}
    assert names["images"] == {"CreateImagesFromData", "CreateImagesFromFiles"}
    assert names["image"] == {
        one.name
        for one in OPERATIONS
        if one.method == "POST" and one.path.endswith(("/image", "/image/nostore"))
    }


# --- what the service's reader accepts ----------------------------------------------------------------------


def test_texts_may_be_numbers_and_booleans(service: Service) -> None:
    project = service.project()
    tag = service.tag(project, "first")
    for value, name in (
        ("5", "5"),
        ("5.50", "5.50"),
        ("true", "true"),
        ("false", "false"),
        ("-1e3", "-1e3"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("'it\\'s'", "it's"),
    ):
        body = f'{{"name":{value}, "type":"Regular", "id":{{"x":[1]}}}}'
        assert expect(send(service, "PATCH", f"{project}/tags/{tag}", body))["name"] == name
    for value in ("{}", "[]", "['a']"):
        assert refusal(send(service, "PATCH", f"{project}/tags/{tag}", f"{{name:{value}}}"))[0] == 400


def test_batches_of_images(service: Service) -> None:
    project = service.project()
    tag = service.tag(project, "red")
    contents = [base64.b64encode(picture(number)).decode() for number in range(2)]
    body = f"""{{
        // images
        images: [
            {{name: 1, contents: '{contents[0]}',}},
            {{'Name': "b", /* base64 */ "contents": '{contents[1]}'}},
        ],
        'tagIds': ['{tag}',],
        "metadata": {{line: 5, shift: 2.50, ok: true, 'by': 'me'}},
    }}"""
    made = expect(send(service, "POST", f"{project}/images/files", body))
    assert [(one["sourceUrl"], one["status"]) for one in made["images"]] == [("1", "OK"), ("b", "OK")]
    image = made["images"][0]["image"]
    assert image["metadata"] == {"line": "5", "shift": "2.50", "ok": "true", "by": "me"}
    assert [one["tagId"] for one in image["tags"]] == [tag]


def test_metadata(service: Service) -> None:
    project = service.project()
    [image] = service.images(project, [picture()])
    path = f"{project}/images/metadata?imageIds={image}"
    body = "{line:5, 'shift':0.10, \"ok\":false, # }"
    assert refusal(send(service, "POST", path, body))[0] == 400
    updated = expect(send(service, "POST", path, body.replace("#", "")))
    assert updated["images"][0]["metadata"] == {"line": "5", "shift": "0.10", "ok": "false"}
    for value in ("null", "[]", "{}"):
        message = refusal(send(service, "POST", path, f"{{'line':{value}}}"))[2]
        assert message == "The request body is invalid at 'line': its value must be a text."


def test_tags_and_regions_of_images(service: Service) -> None:
    project = service.project(domainId=DETECTION)
    tag = service.tag(project, "red")
    [image] = service.images(project, [picture()])
    body = f"{{tags:[{{imageId:'{image}',tagId:'{tag}'}},]}}"
    assert len(expect(send(service, "POST", f"{project}/images/tags", body))["created"]) == 1
    body = f"{{regions:[{{imageId:'{image}',tagId:'{tag}',left:'0.25',top:.25,width:5e-1,height:\"0.5\"}}]}}"
    [region] = expect(send(service, "POST", f"{project}/images/regions", body))["created"]
    assert [region[name] for name in ("left", "top", "width", "height")] == [0.25, 0.25, 0.5, 0.5]


def test_settings_of_projects(service: Service) -> None:
    project = service.project(domainId=COMPACT)
    body = """{'name':2024,'settings':{'domainId':'','imageProcessingSettings':
        {'augmentationMethods':{'rotation':'true','scaling':0,'translation':2}}}}"""
    shown = expect(send(service, "PATCH", project, body))
    assert shown["name"] == "2024"
    assert shown["settings"]["domainId"] == COMPACT
    methods: dict[str, Any] = shown["settings"]["imageProcessingSettings"]["augmentationMethods"]
    assert (methods["rotation"], methods["scaling"], methods["translation"]) == (True, False, True)


def test_training_and_queries(predicted: Predicted) -> None:
    service, project = predicted.service, predicted.project
    found = predicted.predict()
    tags = f"tags:[{{id:'{predicted.red}', minThreshold:''}},]"
    body = f"{{maxCount:'1', orderBy:'newest', iterationId:'', {tags}}}"
    results = expect(send(service, "POST", f"{project}/predictions/query", body))["results"]
    assert [one["id"] for one in results] == [found]
    body = f"{{selectedTags:['{predicted.red}','{predicted.blue}',], /* all */}}"
    assert expect(send(service, "POST", f"{project}/train?forceTrain=true", body))["status"] == "Training"


@pytest.mark.parametrize(
    "body", ["{'url' : 'http://127.0.0.1:1/a.jpg'}", '{url:"http://127.0.0.1:1/a.jpg",}', "{'URL':'x'} // y"]
)
def test_urls_of_images(predicted: Predicted, body: str) -> None:
    """The body is read, and its URL is refused."""
    headers = {"Prediction-Key": PREDICTION_KEY, "Content-Type": "application/json"}
    response = predicted.service.request(
        "POST", f"{predicted.address}/url", key=None, content=body, headers=headers
    )
    assert refusal(response)[0] == 400
    assert "JSON" not in refusal(response)[2]
