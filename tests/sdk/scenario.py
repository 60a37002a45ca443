"""The scenario for every version of every official SDK: all operations, for both types of projects.

Steps are data, so that one scenario serves all SDKs. `every_operation.py` and
`javascript/every-operation.mjs` run them with one SDK each:

- ``call``: the operation, named as in the contract. An SDK without it skips the step, and
  also when it lacks the operation that the step ``needs``.
- ``with``: its arguments by the contract's names of parameters; the request's JSON is ``body``, the bytes of
  an image are ``imageData`` in Base64. ``if known``: arguments that only some versions have.
- ``as``: a name for the response. Texts that begin with ``$`` refer to a part of an earlier one:
  ``$project.id``, ``$domains.0.id``; with ``|path`` at the end, for the path of the URL that stands there.
- ``expect``: the JSON of the response. Objects may have more properties than given here; lists
  must have the same number of items.
- ``until``: the call is repeated until the response matches.
- ``refused``: the status and the code of the expected error.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from tests.support.detection import GENERAL
from tests.support.harness import COMPACT, NOWHERE, RESOURCE_ID
from tests.support.images import picture

Step = dict[str, Any]

PICTURES = "http://pictures.test"
TO_DETECT = 15
TO_CLASSIFY = 5
ANY: dict[str, Any] = {}
UNTAGGED = 3


def write_pictures(folder: Path) -> None:
    """Write the images to upload by URL and those to predict by URL."""
    for colour in ("red", "blue"):
        (folder / f"{colour}.png").write_bytes(picture(500, colour))


def scenario() -> list[Step]:
    return [*_domains(), *_classification(), *_copies(), *_detection()]


def _data(number: int, colour: str) -> str:
    return base64.b64encode(picture(number, colour)).decode()


def _files(count: int, colour: str, *tag_ids: str, start: int = 0) -> Step:
    numbers = range(start, start + count)
    entries = [{"name": f"{colour}{number}", "contents": _data(number, colour)} for number in numbers]
    return {"images": entries, "tagIds": list(tag_ids)}


def _statuses(*statuses: str) -> Any:
    successful = set(statuses) == {"OK"}
    return {"isBatchSuccessful": successful, "images": [{"status": status} for status in statuses]}


def _domains() -> list[Step]:
    return [
        {"call": "GetDomains", "as": "domains"},
        {"call": "GetDomain", "with": {"domainId": "$domains.0.id"}, "expect": {"name": "$domains.0.name"}},
        {"call": "GetProject", "with": {"projectId": NOWHERE}, "refused": [404, "NotFoundProject"]},
    ]


def _classification() -> list[Step]:
    return [
        *_workspace(),
        *_lists(),
        *_images_and_tags(),
        *_training(),
        *_exporting(),
        *_predicting("Classify", "published", "red"),
        *_stored_predictions(),
        *_suggestions(),
    ]


P = {"projectId": "$project.id"}
I = {**P, "iterationId": "$iteration.id"}  # noqa: E741 - as in the contract's tables


def _workspace() -> list[Step]:
    settings = {"domainId": COMPACT, "classificationType": "Multiclass"}
    changed = {"name": "Colours", "description": "of pictures", "settings": settings}
    return [
        {
            "call": "CreateProject",
            "with": {"name": "Colors", "description": "", "domainId": COMPACT},
            "as": "project",
            "expect": {"name": "Colors", "settings": {"classificationType": "Multilabel"}},
        },
        {"call": "UpdateProject", "with": {**P, "body": changed}, "expect": changed},
        {"call": "GetProject", "with": P, "expect": changed},
        {"call": "GetProjects", "as": "projects", "expect": [{"id": "$project.id"}]},
        {"call": "CreateTag", "with": {**P, "name": "rouge", "description": "a colour"}, "as": "red"},
        {"call": "CreateTag", "with": {**P, "name": "blue", "type": "Regular"}, "as": "blue"},
        {
            "call": "UpdateTag",
            "with": {
                **P,
                "tagId": "$red.id",
                "body": {"name": "red", "description": "it", "type": "Regular"},
            },
            "expect": {"id": "$red.id", "name": "red", "description": "it"},
        },
        {"call": "GetTag", "with": {**P, "tagId": "$red.id"}, "expect": {"name": "red", "imageCount": 0}},
        {"call": "GetTags", "with": P, "expect": [ANY, ANY]},
        {
            "call": "CreateImagesFromData",
            "with": {**P, "imageData": _data(100, "red"), "tagIds": ["$red.id"]},
            "expect": _statuses("OK"),
        },
        {
            "call": "CreateImagesFromFiles",
            "with": {**P, "body": _files(TO_CLASSIFY, "red", "$red.id")},
            "as": "uploaded",
            "expect": _statuses(*["OK"] * TO_CLASSIFY),
        },
        {
            "call": "CreateImagesFromFiles",
            "with": {**P, "body": _files(TO_CLASSIFY + 1, "blue", "$blue.id")},
            "expect": _statuses(*["OK"] * (TO_CLASSIFY + 1)),
        },
        {  # partly failed: 207 from 3.3 on, and 200 before
            "call": "CreateImagesFromUrls",
            "with": {
                **P,
                "body": {"images": [{"url": f"{PICTURES}/{name}.png"} for name in ("red", "nobody")]},
            },
            "expect": _statuses("OK", "ErrorSource"),
        },
        {
            "call": "CreateImagesFromFiles",
            "with": {**P, "body": _files(UNTAGGED - 1, "grey")},
            "expect": _statuses("OK", "OK"),
        },
    ]


def _lists() -> list[Step]:
    tagged = 2 * (TO_CLASSIFY + 1)
    of_red = {**P, "tagIds": ["$red.id"]}
    return [
        {"call": "GetTaggedImageCount", "with": P, "expect": tagged},
        {"call": "GetTaggedImageCount", "with": of_red, "expect": tagged // 2},
        {"call": "GetUntaggedImageCount", "with": P, "expect": UNTAGGED},
        {
            "call": "GetTaggedImages",
            "with": {**of_red, "orderBy": "Oldest", "take": 3, "skip": 1},
            "as": "listed",
            "expect": [{"tags": [{"tagName": "red"}]}] * 3,
        },
        {"call": "GetUntaggedImages", "with": P, "as": "untagged", "expect": [ANY] * UNTAGGED},
        {
            "call": "GetImagesByIds",
            "with": {**P, "imageIds": ["$listed.0.id"]},
            "expect": [{"id": "$listed.0.id"}],
        },
        {
            "call": "GetImages",
            "with": {**of_red, "taggingStatus": "Tagged", "orderBy": "Newest", "take": 2},
            "expect": [ANY, ANY],
        },
        {"call": "GetImageCount", "with": {**P, "taggingStatus": "All"}, "expect": tagged + UNTAGGED},
    ]


def _images_and_tags() -> list[Step]:
    pair = {"imageId": "$listed.0.id", "tagId": "$red.id"}
    ids = {"imageIds": ["$listed.0.id"], "tagIds": ["$red.id"]}
    return [
        {"call": "DeleteImageTags", "with": {**P, **ids}},
        {
            "call": "CreateImageTags",
            "with": {**P, "body": {"tags": [pair]}},
            "expect": {"created": [pair], "duplicated": [], "exceeded": []},
        },
        {
            "call": "UpdateImageMetadata",
            "with": {**P, "imageIds": ["$listed.0.id"], "body": {"camera": "4"}},
            "expect": {"images": [{"status": "OK", "metadata": {"camera": "4"}}]},
        },
        {
            "call": "GetImages",
            "with": {**P, "$filter": "metadata=camera eq '4'"},
            "expect": [{"id": "$listed.0.id", "metadata": {"camera": "4"}}],
        },
        {"call": "GetArtifact", "with": {**P, "path": "$listed.0.originalImageUri|path"}},
    ]


def _training() -> list[Step]:
    return [
        {"call": "TrainProject", "with": {**P, "trainingType": "Regular"}, "as": "iteration"},
        {"call": "GetIteration", "with": I, "until": {"status": "Completed"}},
        {"call": "GetIterations", "with": P, "expect": [{"id": "$iteration.id", "status": "Completed"}]},
        {"call": "UpdateIteration", "with": {**I, "body": {"name": "first"}}, "expect": {"name": "first"}},
        {
            "call": "GetIterationPerformance",
            "with": {**I, "threshold": 0.5, "overlapThreshold": 0.25},
            "expect": {"perTagPerformance": [ANY, ANY]},
        },
        {"call": "GetImagePerformances", "with": {**I, "take": 1, "orderBy": "Oldest"}, "expect": [ANY]},
        {"call": "GetImagePerformanceCount", "with": {**I, "tagIds": ["$red.id"]}},
    ]


def _exporting() -> list[Step]:
    return [
        {
            "call": "ExportIteration",
            "with": {**I, "platform": "ONNX"},
            "expect": {"platform": "ONNX", "status": "Exporting", "flavor": None},
        },
        {
            "call": "ExportIteration",
            "with": {**I, "platform": "DockerFile", "flavor": "Linux"},
            "expect": {"platform": "DockerFile", "status": "Exporting", "flavor": "Linux"},
        },
        {"call": "GetExports", "with": I, "until": [{"status": "Done"}, {"status": "Done"}]},
    ]


def _predicting(kind: str, name: str, tag: str) -> list[Step]:
    """Publishing, the four ways to predict of `kind`, and quick tests. `tag` is found in red images."""
    to = {"projectId": "$project.id", "publishedName": name}
    published = {"publishName": name, "predictionId": RESOURCE_ID}
    image, url = {"imageData": _data(300, "red")}, {"body": {"url": f"{PICTURES}/red.png"}}
    wanted = {"project": "$project.id", "iteration": "$iteration.id", "predictions": [{"tagName": tag}, ANY]}
    quick = {"if known": {"store": False}}
    return [
        {"call": "PublishIteration", "with": {**I, **published}, "expect": True},
        {"call": f"{kind}Image", "with": {**to, **image, "application": "a"}, "expect": wanted, "as": "seen"},
        {"call": f"{kind}ImageWithNoStore", "with": {**to, **image}, "expect": wanted},
        {"call": f"{kind}ImageUrl", "with": {**to, **url}, "expect": wanted, "as": "seen by URL"},
        {"call": f"{kind}ImageUrlWithNoStore", "with": {**to, **url}, "expect": wanted},
        {"call": "QuickTestImage", "with": {**I, **image}, **quick, "expect": wanted},
        {"call": "QuickTestImageUrl", "with": {**I, **url}, **quick, "expect": wanted},
        {
            "call": f"{kind}Image",
            "with": {**to, **image, "publishedName": "nobody"},
            "refused": [404, "NotFoundIteration"],
        },
        {"call": "UnpublishIteration", "with": I},
    ]


def _stored_predictions() -> list[Step]:
    token = {"orderBy": "Oldest", "maxCount": 1, "application": "a"}
    taken = {"images": [{"id": "$seen.id"}], "tagIds": ["$red.id"]}
    return [
        {
            "call": "QueryPredictions",
            "with": {**P, "body": token},
            "expect": {"token": token, "results": [{"id": "$seen.id"}]},
        },
        {
            "call": "CreateImagesFromPredictions",
            "with": {**P, "body": taken},
            "expect": _statuses("OK"),
        },
        {"call": "DeletePrediction", "with": {**P, "ids": ["$seen by URL.id"]}},
    ]


def _suggestions() -> list[Step]:
    asked = {**I, "imageIds": ["$untagged.0.id", "$untagged.1.id"]}
    return [
        {
            "call": "SuggestTagsAndRegions",
            "with": asked,
            "expect": [{"id": "$untagged.0.id"}, {"id": "$untagged.1.id"}],
        },
        {
            "call": "QuerySuggestedImages",
            "with": {**I, "body": {"threshold": 0.0, "maxCount": 10, "sortBy": "UncertaintyAscending"}},
            "expect": {"token": {"maxCount": 10}, "results": [ANY, ANY]},
        },
        {
            "call": "QuerySuggestedImageCount",
            "with": {**I, "body": {"tagIds": ["$red.id"], "threshold": 0.0}},
            "as": "counts",
        },
    ]


def _copies() -> list[Step]:
    of_copy = {"with": {"projectId": "$copy.id"}, "needs": "ImportProject"}
    return [
        {"call": "ExportProject", "with": P, "as": "exported", "expect": {"regionCount": 0}},
        {
            "call": "ImportProject",
            "with": {"token": "$exported.token"},
            "if known": {"name": "copy"},
            "as": "copy",
            "expect": {"status": "Importing"},
        },
        {"call": "GetProject", **of_copy, "until": {"status": "Succeeded"}},
        {"call": "DeleteProject", **of_copy},
        {"call": "DeleteImages", "with": {**P, "imageIds": ["$listed.0.id"]}},
        {"call": "DeleteTag", "with": {**P, "tagId": "$blue.id"}},
        {"call": "DeleteIteration", "with": I},
        {"call": "DeleteProject", "with": P},
    ]


def _detection() -> list[Step]:
    box = {"left": 0.25, "top": 0.25, "width": 0.5, "height": 0.5}
    marked = _files(TO_DETECT, "red")
    for entry in marked["images"]:
        entry["regions"] = [{"tagId": "$thing.id", **box}]
    region = {"imageId": "$marked.images.0.image.id", "tagId": "$thing.id", **box, "left": 0.125}
    created = {"regionId": "$regions.created.0.regionId"}
    return [
        {"call": "CreateProject", "with": {"name": "Boxes", "domainId": GENERAL}, "as": "project"},
        {"call": "CreateTag", "with": {**P, "name": "thing"}, "as": "thing"},
        {"call": "CreateImagesFromFiles", "with": {**P, "body": marked}, "as": "marked"},
        {
            "call": "CreateImageRegions",
            "with": {**P, "body": {"regions": [region]}},
            "as": "regions",
            "expect": {"created": [region], "duplicated": [], "exceeded": []},
        },
        {"call": "DeleteImageRegions", "with": {**P, "regionIds": [created["regionId"]]}},
        {
            "call": "GetImageRegionProposals",
            "with": {**P, "imageId": "$marked.images.0.image.id"},
            "expect": {"imageId": "$marked.images.0.image.id"},
        },
        {"call": "TrainProject", "with": P, "as": "iteration"},
        {"call": "GetIteration", "with": I, "until": {"status": "Completed"}},
        {"call": "GetIterationPerformance", "with": I, "expect": {"perTagPerformance": [{"name": "thing"}]}},
        {"call": "GetImagePerformances", "with": I},
        *_predicting("Detect", "detector", "thing"),
        {"call": "DeleteImages", "with": {**P, "imageIds": ["$marked.images.0.image.id"]}},
        {"call": "DeleteProject", "with": P},
    ]
