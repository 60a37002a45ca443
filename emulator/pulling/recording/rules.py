"""What follows from the response of each operation for the state of its project.

A response shows what there is now; what it does not show may be there nevertheless, so a page of a list
removes nothing. Operations without a rule change nothing, or cannot be followed.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from emulator.contract.gateway_responses import guid
from emulator.core.pulled.archive import WORKSPACE
from emulator.core.pulled.history import image_history
from emulator.core.pulled.workspace import time_of
from emulator.pulling.files import Wanted
from emulator.pulling.iterations import export_key
from emulator.pulling.recording.archive import RecordedArchive
from emulator.pulling.recording.exchanges import Exchange
from emulator.pulling.source import without_uris

_ADDED = ("OK", "OKDuplicate")
# What a response of another form than the contract's leads to.
_OTHER_FORM = (
    AttributeError,
    KeyError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)


class Content(NamedTuple):
    """The file of an image, which a request contains."""

    kind: str
    id: str
    data: bytes


Found = Iterator[Wanted | Content]
Rule = Callable[[RecordedArchive, Exchange], Found]


def apply(archive: RecordedArchive, exchange: Exchange) -> list[Wanted | Content] | None:
    """Record an exchange in the archive of its project; returns the images whose files are wanted.

    A response of another form than the contract's changes nothing; then the result is None.
    """
    rule = _RULES.get(exchange.operation)
    if rule is None:
        return []
    try:
        with archive.transaction():
            found = list(rule(archive, exchange))
            archive.change(str(exchange.project_id))
            return found
    except _OTHER_FORM:
        return None


def projects_in(exchange: Exchange) -> list[dict[str, Any]]:
    """The projects that a response describes in the form of the contract, without URIs."""
    return [without_uris(one) for one in _described(exchange) if _is_project(one)]


def has_other_projects(exchange: Exchange) -> bool:
    """Whether a response describes a project in another form than the contract's."""
    return not all(_is_project(one) for one in _described(exchange))


def _described(exchange: Exchange) -> list[Any]:
    if exchange.operation == "GetProjects" and isinstance(exchange.response, list):
        return exchange.response
    if exchange.operation in ("GetProjects", "GetProject", "CreateProject", "UpdateProject"):
        return [exchange.response]
    return []


def _is_project(value: Any) -> bool:
    try:
        guid(value["id"])
        without_uris(value)
    except (KeyError, RecursionError, TypeError, ValueError):
        return False
    return isinstance(value.get("name"), str) and isinstance(value.get("settings"), dict)


# --- projects, tags, iterations -----------------------------------------------------------------------------


def _nothing(archive: RecordedArchive, exchange: Exchange) -> Found:
    """Projects are recorded by `projects_in`."""
    yield from ()


def _project_deleted(archive: RecordedArchive, exchange: Exchange) -> Found:
    archive.delete()
    yield from ()


def _tags(archive: RecordedArchive, exchange: Exchange) -> Found:
    _ = [(tag["id"], tag["name"]) for tag in exchange.response]
    archive.put_tags(_view(exchange), exchange.response)
    yield from ()


def _tag(archive: RecordedArchive, exchange: Exchange) -> Found:
    _ = exchange.response["name"]
    if _view(exchange) == WORKSPACE:
        archive.put_tag(exchange.response)
    yield from ()


def _tag_deleted(archive: RecordedArchive, exchange: Exchange) -> Found:
    archive.remove_tag(exchange.path["tagId"])
    yield from ()


def _iterations(archive: RecordedArchive, exchange: Exchange) -> Found:
    archive.put_iterations(exchange.response, are_all=True)
    yield from ()


def _iteration(archive: RecordedArchive, exchange: Exchange) -> Found:
    archive.put_iterations([exchange.response], are_all=False)
    yield from ()


def _iteration_deleted(archive: RecordedArchive, exchange: Exchange) -> Found:
    archive.remove_iteration(exchange.path["iterationId"])
    yield from ()


def _published(archive: RecordedArchive, exchange: Exchange) -> Found:
    name = exchange.query["publishname"]
    if exchange.query.get("overwrite", "").lower() == "true":
        for other in archive.state()["iterations"]:
            if other.get("publishName") == name:
                archive.change_iteration(other["id"], publishName=None, originalPublishResourceId=None)
    archive.change_iteration(
        exchange.path["iterationId"],
        publishName=name,
        originalPublishResourceId=exchange.query.get("predictionid"),
    )
    yield from ()


def _unpublished(archive: RecordedArchive, exchange: Exchange) -> Found:
    archive.change_iteration(exchange.path["iterationId"], publishName=None, originalPublishResourceId=None)
    yield from ()


def _performance(archive: RecordedArchive, exchange: Exchange) -> Found:
    threshold, overlap = (exchange.query.get(name, "") for name in ("threshold", "overlapthreshold"))
    _ = [float(text) for text in (threshold, overlap) if text]
    name = f"performance/{exchange.path['iterationId']}/{threshold}/{overlap}"
    archive.put_document(name, exchange.response)
    yield from ()


def _evaluated(archive: RecordedArchive, exchange: Exchange) -> Found:
    iteration = exchange.path["iterationId"]
    archive.put_evaluated(iteration, exchange.response)
    images = [
        {name: value for name, value in one.items() if name != "predictions"} for one in exchange.response
    ]
    archive.put_images(iteration, without_uris(images))
    for image in images:
        yield Wanted("image", image["id"], image["imageUri"], (image["width"], image["height"]))


def _exports(archive: RecordedArchive, exchange: Exchange) -> Found:
    """The exports that have ended; the file of one that can be run is the model of its iteration here."""
    iteration = exchange.path["iterationId"]
    name = f"exports/{iteration}"
    known = {export_key(iteration, one): one for one in archive.document(name) or ()}
    done = {
        export_key(iteration, one): one
        for one in exchange.response
        if one["status"] == "Done" and one.get("downloadUri")
    }
    archive.put_document(name, [*(known | without_uris(done)).values()])
    for key, one in done.items():
        yield Wanted("export", key, one["downloadUri"], None)


# --- images -------------------------------------------------------------------------------------------------


def _check_images(images: Iterable[dict[str, Any]]) -> None:
    """Raises one of _OTHER_FORM unless images with their tags and regions can be inserted."""
    for image in images:
        history = image_history({WORKSPACE: image}, [WORKSPACE])
        _ = [time_of(created) for _, _, created in history.tags] if history else []
        for _, region in history.regions if history else ():
            time_of(region["created"])
            _ = [region[side] + 0.0 for side in ("left", "top", "width", "height")]


def _images(archive: RecordedArchive, exchange: Exchange) -> Found:
    _check_images(exchange.response)
    archive.put_images(_view(exchange), without_uris(exchange.response))
    yield from _files(exchange.response)


def _created(archive: RecordedArchive, exchange: Exchange) -> Found:
    entries = [one for one in exchange.response["images"] if one["status"] in _ADDED and one.get("image")]
    images = [one["image"] for one in entries]
    _check_images(images)
    archive.put_images(WORKSPACE, without_uris(images))
    yield from _files(images)


def _deleted(archive: RecordedArchive, exchange: Exchange) -> Found:
    is_all = exchange.query.get("allimages", "").lower() == "true"
    archive.remove_images(None if is_all else exchange.listed("imageIds"))
    yield from ()


def _metadata(archive: RecordedArchive, exchange: Exchange) -> Found:
    new = {one["imageId"]: one["metadata"] for one in exchange.response["images"] if one.get("metadata")}
    archive.change_images(new, lambda image: {**image, "metadata": new[image["id"]]})
    yield from ()


def _tagged(archive: RecordedArchive, exchange: Exchange) -> Found:
    names = {tag["id"]: tag["name"] for tag in archive.document("tags") or ()}
    new: dict[str, list[dict[str, Any]]] = {}
    for entry in exchange.response["created"]:
        tag = {"tagId": entry["tagId"], "tagName": names.get(entry["tagId"], "")}
        new.setdefault(entry["imageId"], []).append(tag)
    archive.change_images(new, lambda image: _with_tags(image, new[image["id"]]))
    yield from ()


def _untagged(archive: RecordedArchive, exchange: Exchange) -> Found:
    gone = {*exchange.listed("tagIds")}

    def change(image: dict[str, Any]) -> dict[str, Any]:
        return {
            **image,
            **{
                name: [one for one in image[name] if one["tagId"] not in gone]
                for name in ("tags", "regions")
                if name in image
            },
        }

    archive.change_images(exchange.listed("imageIds"), change)
    yield from ()


def _boxed(archive: RecordedArchive, exchange: Exchange) -> Found:
    new: dict[str, list[dict[str, Any]]] = {}
    for entry in exchange.response["created"]:
        region = {name: value for name, value in entry.items() if name != "imageId"}
        new.setdefault(entry["imageId"], []).append(region)

    def change(image: dict[str, Any]) -> dict[str, Any]:
        regions = new[image["id"]]
        tagged = _with_tags(image, regions)
        return {**tagged, "regions": [*(image.get("regions") or ()), *regions]}

    archive.change_images(new, change)
    yield from ()


def _unboxed(archive: RecordedArchive, exchange: Exchange) -> Found:
    gone = {*exchange.listed("regionIds")}
    changed = [
        {**image, "regions": [one for one in image["regions"] if one["regionId"] not in gone]}
        for image in archive.listed(WORKSPACE)
        if any(one["regionId"] in gone for one in image.get("regions") or ())
    ]
    archive.put_images(WORKSPACE, changed)
    yield from ()


def _count(name: str) -> Rule:
    def rule(archive: RecordedArchive, exchange: Exchange) -> Found:
        if _view(exchange) == WORKSPACE and not exchange.listed("tagIds"):
            archive.put_counts(**{name: int(exchange.response)})
        yield from ()

    return rule


# --- predictions --------------------------------------------------------------------------------------------


def _predictions(archive: RecordedArchive, exchange: Exchange) -> Found:
    results = exchange.response["results"]
    archive.put_predictions(without_uris(results), archive.prediction_count())
    for item in results:
        yield Wanted("prediction", item["id"], item["originalImageUri"], None)


def _predicted(archive: RecordedArchive, exchange: Exchange) -> Found:
    if exchange.image:
        of = {one["id"]: one.get("domainId") for one in archive.state()["iterations"]}
        domain = of.get(exchange.response["iteration"])
        prediction = exchange.response if domain is None else {**exchange.response, "domain": domain}
        archive.put_predictions([prediction], archive.prediction_count())
        yield Content("prediction", exchange.response["id"], exchange.image)


def _predictions_deleted(archive: RecordedArchive, exchange: Exchange) -> Found:
    archive.remove_predictions(exchange.listed("ids"))
    yield from ()


# --- parts --------------------------------------------------------------------------------------------------


def _view(exchange: Exchange) -> str:
    return exchange.query.get("iterationid", "").lower() or WORKSPACE


def _files(images: Iterable[dict[str, Any]]) -> Found:
    for image in images:
        yield Wanted("image", image["id"], image["originalImageUri"], (image["width"], image["height"]))


def _with_tags(image: dict[str, Any], new: Iterable[dict[str, Any]]) -> dict[str, Any]:
    tags = {tag["tagId"]: tag for tag in image.get("tags") or ()}
    for tag in new:
        shown = {name: tag[name] for name in ("tagId", "tagName", "created") if name in tag}
        tags.setdefault(tag["tagId"], shown)
    return {**image, "tags": [*tags.values()]}


_RULES: dict[str, Rule] = {
    "GetProject": _nothing,
    "CreateProject": _nothing,
    "UpdateProject": _nothing,
    "DeleteProject": _project_deleted,
    "GetTags": _tags,
    "GetTag": _tag,
    "CreateTag": _tag,
    "UpdateTag": _tag,
    "DeleteTag": _tag_deleted,
    "GetImages": _images,
    "GetTaggedImages": _images,
    "GetUntaggedImages": _images,
    "GetImagesByIds": _images,
    "GetImageCount": _count("total"),
    "GetTaggedImageCount": _count("tagged"),
    "GetUntaggedImageCount": _count("untagged"),
    "CreateImagesFromData": _created,
    "CreateImagesFromFiles": _created,
    "CreateImagesFromUrls": _created,
    "CreateImagesFromPredictions": _created,
    "DeleteImages": _deleted,
    "UpdateImageMetadata": _metadata,
    "CreateImageTags": _tagged,
    "DeleteImageTags": _untagged,
    "CreateImageRegions": _boxed,
    "DeleteImageRegions": _unboxed,
    "GetIterations": _iterations,
    "GetIteration": _iteration,
    "TrainProject": _iteration,
    "UpdateIteration": _iteration,
    "DeleteIteration": _iteration_deleted,
    "PublishIteration": _published,
    "UnpublishIteration": _unpublished,
    "GetIterationPerformance": _performance,
    "GetImagePerformances": _evaluated,
    "GetExports": _exports,
    "QueryPredictions": _predictions,
    "DeletePrediction": _predictions_deleted,
    "ClassifyImage": _predicted,
    "DetectImage": _predicted,
}
