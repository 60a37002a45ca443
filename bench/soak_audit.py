"""The check after the soak: the server and the data folder must have what the server confirmed."""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from bench.soak_calls import Calls, Record
from bench.soak_clients import Client, Kept, Shared, Stage

_COUNTS = {
    "image_count of a project": """
        SELECT name, image_count, (SELECT count(*) FROM image WHERE project_id = project.id
        AND removed IS NULL) FROM project""",
    "tagged_count of a project": """
        SELECT name, tagged_count, (SELECT count(*) FROM image i WHERE project_id = project.id
        AND removed IS NULL AND EXISTS (SELECT 1 FROM image_tag WHERE image_number = i.number
        AND removed IS NULL)) FROM project""",
    "image_count of a tag": """
        SELECT name, image_count, (SELECT count(*) FROM image_tag WHERE tag_id = tag.id AND removed IS NULL)
        FROM tag WHERE removed IS NULL""",
    "tag_count of an image": """
        SELECT id, tag_count, (SELECT count(*) FROM image_tag WHERE image_number = image.number
        AND removed IS NULL) FROM image""",
}
_NONE_OF = {
    "tags on images that are gone": """
        SELECT t.number FROM image_tag t JOIN image i ON i.number = t.image_number
        WHERE t.removed IS NULL AND i.removed IS NOT NULL""",
    "regions without their tag on the image": """
        SELECT r.id FROM region r WHERE r.removed IS NULL AND NOT EXISTS (SELECT 1 FROM image_tag t
        WHERE t.image_number = r.image_number AND t.tag_id = r.tag_id AND t.removed IS NULL)""",
    "suggestions for images that are tagged or gone": """
        SELECT s.number FROM suggestion s JOIN image i ON i.number = s.image_number
        WHERE i.removed IS NOT NULL OR i.tag_count > 0""",
    "removed rows that no iteration shows": """
        SELECT i.id FROM image i WHERE i.removed IS NOT NULL AND NOT EXISTS (SELECT 1 FROM iteration t
        WHERE t.project_id = i.project_id AND t.revision >= i.born AND t.revision < i.removed)""",
    "jobs that never ended": "SELECT id FROM job",
}
_REFERENCES = """
    SELECT blob FROM image UNION SELECT blob FROM stored_prediction
    UNION SELECT model_blob FROM iteration UNION SELECT evaluation_blob FROM iteration
    UNION SELECT blob FROM export UNION SELECT blob FROM deletion
    UNION SELECT blob FROM test_image UNION SELECT evaluation_blob FROM test_evaluation"""


def over_http(port: int, stage: Stage, clients: Sequence[Client]) -> list[str]:
    """Differences between the responses of an idle server and the ledgers."""
    calls = Calls(port, Record())
    wrong: list[str] = []
    try:
        for project in stage.projects:
            wrong += [f"{project.path}: {what}" for what in _images(calls, project, stage, clients)]
            wrong += [f"{project.path}: {what}" for what in _predictions(calls, project, clients)]
            wrong += [f"{project.path}: {what}" for what in _suggestions(calls, project)]
    finally:
        calls.close()
    return wrong + calls.record.wrong


def _images(calls: Calls, project: Shared, stage: Stage, clients: Sequence[Client]) -> Iterator[str]:
    newest = calls.pages("list", f"{project.path}/images")
    ids = [image["id"] for image in newest]
    oldest = calls.pages("list", f"{project.path}/images", {"orderBy": "Oldest"})
    if [image["id"] for image in oldest] != ids[::-1]:
        yield "the oldest images first are not the newest ones the other way round"
    yield from (f"image {image} is there {times} times" for image, times in Counter(ids).items() if times > 1)
    shown = {image["id"]: image for image in newest}
    tags = {image: {tag["tagId"] for tag in shown[image].get("tags", ())} for image in shown}
    regions = {image: {region["regionId"] for region in shown[image].get("regions", ())} for image in shown}
    expected = {image: kept for image, kept in _ledger(clients) if kept.project is project}
    for image, kept in expected.items():
        if image not in shown:
            yield f"image {image} is lost"
            continue
        if tags[image] != kept.tags or regions[image] != kept.regions:
            yield f"image {image} has the tags {tags[image]} and regions {regions[image]}, not {kept}"
        if shown[image].get("metadata", {}) != kept.metadata:
            yield f"image {image} has the metadata {shown[image].get('metadata')}, not {kept.metadata}"
    for image, borne in project.images.items():
        if tags.get(image) != borne or regions[image] != project.regions[image]:
            yield f"image {image} of the beginning has changed"
    common = set().union(*(client.common for client in clients)) if project is stage.projects[0] else set()
    others = len(shown) - len(expected) - len(project.images)
    if others != len(common):
        yield f"{others} images more than the clients' own, not {len(common)}"
    yield from _counts(calls, project, tags)
    for kind in "abc":
        query = {"$filter": f"metadata=kind eq '{kind}'"}
        found = {image["id"] for image in calls.pages("list", f"{project.path}/images", query)}
        if found != {image for image, kept in expected.items() if kept.metadata.get("kind") == kind}:
            yield f"$filter finds other images of kind {kind} than there are"


def _counts(calls: Calls, project: Shared, tags: dict[str, set[str]]) -> Iterator[str]:
    tagged = {image for image, borne in tags.items() if borne}
    for path, images in (("", set(tags)), ("/tagged", tagged), ("/untagged", set(tags) - tagged)):
        count = calls.ask("count", "GET", f"{project.path}/images{path}/count")
        listed = {image["id"] for image in calls.pages("list", f"{project.path}/images{path}")}
        if count != len(images) or listed != images:
            yield f"images{path}: count {count}, {len(listed)} in the list, {len(images)} by their tags"
    for tag in calls.ask("list the tags", "GET", f"{project.path}/tags"):
        bearers = {image for image, borne in tags.items() if tag["id"] in borne}
        query = {"tagIds": tag["id"]}
        listed = {image["id"] for image in calls.pages("list", f"{project.path}/images/tagged", query)}
        if tag["imageCount"] != len(bearers) or listed != bearers:
            reported = tag["imageCount"]
            yield f"tag {tag['name']}: count {reported}, {len(listed)} listed, {len(bearers)} bear it"


def _predictions(calls: Calls, project: Shared, clients: Sequence[Client]) -> Iterator[str]:
    expected = {one for client in clients for one, where in client.predictions.items() if where is project}
    for order in ("Newest", "Oldest", "Suggested"):
        token = {"orderBy": order, "maxCount": 100}
        found = calls.tokens("query", f"{project.path}/predictions/query", {}, token)
        ids = [item["id"] for item in found]
        if len(ids) != len(set(ids)) or set(ids) != expected:
            yield f"predictions, {order}: {len(ids)} listed, {len(set(ids))} different, {len(expected)} kept"


def _suggestions(calls: Calls, project: Shared) -> Iterator[str]:
    for iteration in calls.ask("list", "GET", f"{project.path}/iterations"):
        if iteration["status"] != "Completed":
            yield f"{iteration['name']} is {iteration['status']}"
            continue
        query, path = {"iterationId": iteration["id"]}, f"{project.path}/images/suggested"
        for threshold in (0.0, 0.4):
            body = {"threshold": threshold, "maxCount": 50}
            found = calls.tokens("query", path, query, body)
            ids = [item["id"] for item in found]
            if len(ids) != len(set(ids)):
                yield "an image is suggested twice"
            reported = calls.ask("count", "POST", f"{path}/count", query, {"threshold": threshold})
            for tag, count in reported.items():
                if count != sum(_best(item, tag) >= threshold for item in found):
                    yield f"{count} suggestions of {tag} above {threshold}, the list shows another number"


def _best(item: dict[str, Any], tag: str) -> float:
    return max((one["probability"] for one in item["predictions"] if one["tagId"] == tag), default=-1.0)


def on_disk(data: Path, clients: Sequence[Client]) -> list[str]:
    """Errors in the data folder of a server that has ended."""
    wrong: list[str] = []
    with closing(sqlite3.connect(data / "emulator.sqlite")) as database:
        rows = database.execute

        wrong += [f"integrity_check: {row[0]}" for row in rows("PRAGMA integrity_check") if row[0] != "ok"]
        wrong += [f"foreign_key_check: {row}" for row in rows("PRAGMA foreign_key_check")]
        for what, query in _COUNTS.items():
            wrong += [
                f"{what} {name}: {reported}, not {real}"
                for name, reported, real in rows(query)
                if reported != real
            ]
        for what, query in _NONE_OF.items():
            wrong += [f"{what}: {row[0]}" for row in rows(query)]
        blobs = dict(rows("SELECT id, blob FROM image WHERE removed IS NULL"))
        for image, kept in _ledger(clients):
            if kept.blob and blobs.get(image) != kept.blob:
                wrong.append(f"image {image} has the blob {blobs.get(image)}, not {kept.blob}")
        referenced = {row[0] for row in rows(_REFERENCES)} - {None}
    there = {path.name: path for path in (data / "blobs").rglob("*") if path.is_file()}
    wrong += [f"blob {name} is missing" for name in referenced - set(there)]
    wrong += [f"blob {name} belongs to nothing" for name in set(there) - referenced]
    for name in referenced & set(there):
        if hashlib.sha256(there[name].read_bytes()).hexdigest() != name:
            wrong.append(f"blob {name} has other bytes than its name says")
    return wrong


def _ledger(clients: Iterable[Client]) -> Iterator[tuple[str, Kept]]:
    for client in clients:
        yield from client.images.items()
