"""Clients of the soak: each sends random requests and records what the server confirmed in its ledger.

All clients work in the same projects. An image belongs to the client that uploaded it, and only that client
tags or deletes it, so that the ledgers together define the final state. Images that several clients upload
concurrently (`Stage.common`) are not changed and must exist once.
"""

from __future__ import annotations

import base64
import hashlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from bench.soak_calls import Calls

PUBLISHED = "live"
_TAGS = 3
_IMAGES_OF_A_TAG = 6
_BOXED_OF_A_TAG = 15
_IMAGES_KEPT = 6
_PREDICTIONS_KEPT = 6
_DETECTION_DOMAIN = "da2e3a8a-40a5-4171-82f4-58522f70fbc1"
_RESOURCE = "/subscriptions/0/resourceGroups/0/providers/Microsoft.CognitiveServices/accounts/soak"
_BUSY = ("BadRequestTrainingAlreadyInProgress", "BadRequestTrainingNotNeeded")
_GONE = ("NotFoundIteration", "NotFoundProjectDefaultIteration")


@dataclass
class Shared:
    """A project of all clients. images: the first images, with their tags."""

    path: str
    tags: list[str]
    detection: bool
    images: dict[str, set[str]] = field(default_factory=dict)
    regions: dict[str, set[str]] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.path.rpartition("/")[2]


@dataclass
class Stage:
    """The state before the clients start. common: images that all clients upload to the first project."""

    projects: list[Shared]
    common: list[bytes]


@dataclass
class Kept:
    """An image in a client's ledger. blob: the SHA-256 of its bytes."""

    project: Shared
    blob: str
    tags: set[str] = field(default_factory=set)
    regions: set[str] = field(default_factory=set)
    metadata: dict[str, str] = field(default_factory=dict)


def photograph(name: str) -> bytes:
    """A small image, different for each name."""
    from PIL import Image

    chance = random.Random(name)
    picture = Image.frombytes("RGB", (12, 9), chance.randbytes(12 * 9 * 3)).resize((64, 48))
    encoded = BytesIO()
    picture.save(encoded, "PNG", compress_level=1)
    return encoded.getvalue()


def set_up(calls: Calls) -> Stage:
    """Two classification projects and a detection project, trained and published under one name."""
    projects = []
    for number, (kind, detection) in enumerate(
        (("Multiclass", False), ("Multilabel", False), ("Multilabel", True))
    ):
        query = {"name": f"soak {number}", "classificationType": kind}
        if detection:
            query["domainId"] = _DETECTION_DOMAIN
        path = f"/projects/{calls.ask('create a project', 'POST', '/projects', query)['id']}"
        tags = [
            calls.ask("create a tag", "POST", f"{path}/tags", {"name": f"tag {tag}"})["id"]
            for tag in range(_TAGS)
        ]
        project = Shared(path, tags, detection)
        for tag in tags:
            _fill(calls, project, tag)
        projects.append(project)
    for project in projects:
        if not project.detection:
            train(calls, project)
    return Stage(projects, [photograph(f"common {number}") for number in range(20)])


def _fill(calls: Calls, project: Shared, tag: str) -> None:
    count = _BOXED_OF_A_TAG if project.detection else _IMAGES_OF_A_TAG
    entries = []
    for number in range(count):
        entry = _entry(photograph(f"{project.path} {tag} {number}"))
        if project.detection:
            entry["regions"] = [{"tagId": tag, "left": 0.1, "top": 0.2, "width": 0.5, "height": 0.5}]
        else:
            entry["tagIds"] = [tag]
        entries.append(entry)
    made = calls.ask("upload", "POST", f"{project.path}/images/files", body={"images": entries})
    for item in made["images"]:
        image = item["image"]
        project.images[image["id"]] = {tag}
        project.regions[image["id"]] = {region["regionId"] for region in image.get("regions", ())}


def train(calls: Calls, project: Shared) -> None:
    """Train, wait for the end, publish, and delete iterations that are neither published nor the newest."""
    made = calls.ask("train", "POST", f"{project.path}/train", {"forceTrain": "true"}, refusals=_BUSY)
    if made is None:
        return
    path = f"{project.path}/iterations/{made['id']}"
    while (now := calls.ask("get an iteration", "GET", path)) and now["status"] == "Training":
        time.sleep(0.05)
    if now is None or now["status"] != "Completed":
        calls.record.went_wrong(f"train: {now}")
        return
    calls.ask(
        "publish",
        "POST",
        f"{path}/publish",
        {"publishName": PUBLISHED, "predictionId": _RESOURCE, "overwrite": "true"},
    )
    calls.ask("performance", "GET", f"{path}/performance", {"threshold": 0.5, "overlapThreshold": 0.3})
    for iteration in calls.ask("list the iterations", "GET", f"{project.path}/iterations") or ():
        if iteration["id"] != made["id"] and not iteration.get("publishName"):
            refusals = ("BadRequestIterationIsPublished", *_GONE)
            old = f"{project.path}/iterations/{iteration['id']}"
            calls.ask("delete an iteration", "DELETE", old, refusals=refusals)


class Client:
    """A client of the soak.

    Args:
        number: clients 0 and 1 also train.

    Attributes:
        images: the ledger, by id.
        predictions: the projects of stored predictions, by id.
    """

    def __init__(self, calls: Calls, stage: Stage, number: int, seed: int) -> None:
        self.number = number
        self.images: dict[str, Kept] = {}
        self.predictions: dict[str, Shared] = {}
        self.common: set[int] = set()
        self._calls = calls
        self._stage = stage
        self._chance = random.Random(f"{seed} {number}")
        self._made = 0
        self._actions: dict[Callable[[], None], int] = {
            self._upload: 10,
            self._upload_common: 2,
            self._tag: 8,
            self._untag: 5,
            self._delete: 4,
            self._describe: 4,
            self._draw: 5,
            self._erase: 3,
            self._list: 14,
            self._filter: 6,
            self._count: 8,
            self._read_projects: 4,
            self._predict: 10,
            self._query_predictions: 4,
            self._delete_predictions: 3,
            self._take_over: 2,
            self._suggest: 3,
            self._query_suggestions: 3,
            self._side_project: 1,
        }

    def work(self, until: float) -> None:
        """Send random requests until `until` (of time.monotonic)."""
        actions, weights = zip(*self._actions.items(), strict=True)
        try:
            while time.monotonic() < until:
                if self.number < 2 and self._chance.random() < 0.1:
                    train(self._calls, self._stage.projects[self.number])
                else:
                    self._chance.choices(actions, weights)[0]()
        except Exception as error:  # noqa: BLE001  (for example a response without an expected field)
            self._calls.record.went_wrong(f"client {self.number}: {type(error).__name__}: {error}")
        finally:
            self._calls.close()

    # --- actions ---

    def _project(self) -> Shared:
        return self._chance.choice(self._stage.projects)

    def _one(self, holds: Callable[[Kept], bool] = lambda kept: True) -> tuple[str, Kept] | None:
        """A random image of the ledger."""
        found = [item for item in self.images.items() if holds(item[1])]
        return self._chance.choice(found) if found else None

    def _upload(self) -> None:
        project = self._project()
        if sum(kept.project is project for kept in self.images.values()) >= _IMAGES_KEPT:
            return self._delete()
        metadata = {"client": str(self.number), "kind": self._chance.choice("abc")}
        contents, entries = [], []
        for _ in range(self._chance.randint(1, 3)):
            self._made += 1
            contents.append(photograph(f"{project.path} {self.number} {self._made}"))
            tags = self._chance.sample(project.tags, self._chance.randint(0, 1))
            entries.append({**_entry(contents[-1]), "tagIds": tags})
        body = {"images": entries, "metadata": metadata}
        made = self._calls.ask("upload", "POST", f"{project.path}/images/files", body=body)
        for data, entry, item in zip(contents, entries, made["images"] if made else (), strict=bool(made)):
            if item["status"] != "OK":
                self._calls.record.went_wrong(f"upload: {item['status']} of new bytes")
                continue
            blob = hashlib.sha256(data).hexdigest()
            self.images[item["image"]["id"]] = Kept(
                project, blob, set(entry["tagIds"]), metadata=dict(metadata)
            )
        return None

    def _upload_common(self) -> None:
        project = self._stage.projects[0]
        number = self._chance.randrange(len(self._stage.common))
        data = self._stage.common[number]
        if self._calls.ask("upload what others upload", "POST", f"{project.path}/images", body=data):
            self.common.add(number)

    def _tag(self) -> None:
        found = self._one(lambda kept: not kept.tags)
        if found:
            image, kept = found
            tag = self._chance.choice(kept.project.tags)
            body = {"tags": [{"imageId": image, "tagId": tag}]}
            if self._calls.ask("tag", "POST", f"{kept.project.path}/images/tags", body=body):
                kept.tags.add(tag)

    def _untag(self) -> None:
        found = self._one(lambda kept: bool(kept.tags))
        if found:
            image, kept = found
            query = {"imageIds": image, "tagIds": list(kept.tags)}
            if self._calls.ask("untag", "DELETE", f"{kept.project.path}/images/tags", query):
                kept.tags.clear()
                kept.regions.clear()

    def _delete(self) -> None:
        found = self._one()
        if found:
            image, kept = found
            query = {"imageIds": image}
            if self._calls.ask("delete an image", "DELETE", f"{kept.project.path}/images", query):
                del self.images[image]

    def _describe(self) -> None:
        found = self._one()
        if found:
            image, kept = found
            metadata = {"kind": self._chance.choice("abc")}
            path = f"{kept.project.path}/images/metadata"
            if self._calls.ask("set metadata", "POST", path, {"imageIds": image}, metadata):
                kept.metadata |= metadata

    def _draw(self) -> None:
        found = self._one(lambda kept: kept.project.detection and len(kept.regions) < 5)
        if found:
            image, kept = found
            tag = self._chance.choice(kept.project.tags)
            box = {"left": self._chance.random() / 2, "top": 0.1, "width": 0.3, "height": 0.4}
            body = {"regions": [{"imageId": image, "tagId": tag, **box}]}
            made = self._calls.ask("draw a region", "POST", f"{kept.project.path}/images/regions", body=body)
            if made:
                kept.tags.add(tag)
                kept.regions |= {region["regionId"] for region in made["created"]}

    def _erase(self) -> None:
        found = self._one(lambda kept: bool(kept.regions))
        if found:
            image, kept = found
            query = {"regionIds": list(kept.regions)}
            path = f"{kept.project.path}/images/regions"
            if self._calls.ask("erase regions", "DELETE", path, query):
                kept.regions.clear()
                shown = self._calls.ask(
                    "get images", "GET", f"{kept.project.path}/images/id", {"imageIds": image}
                )
                # Tags that an image had before its regions follow other rules, so they are read back.
                kept.tags = {tag["tagId"] for tag in shown[0].get("tags", ())} if shown else kept.tags

    def _list(self) -> None:
        project = self._project()
        kind = self._chance.choice(("", "/tagged", "/untagged"))
        query: dict[str, Any] = {"take": 50, "skip": self._chance.choice((0, 0, 50, 200))}
        query["orderBy"] = self._chance.choice(("Newest", "Oldest"))
        if kind == "/tagged":
            query["tagIds"] = self._chance.sample(project.tags, self._chance.randint(1, 2))
        shown = self._calls.ask(f"list images{kind}", "GET", f"{project.path}/images{kind}", query) or []
        if len({image["id"] for image in shown}) < len(shown):
            self._calls.record.went_wrong("list images: one is there twice")

    def _filter(self) -> None:
        project = self._project()
        text = f"metadata=client eq '{self.number}' and kind ne '{self._chance.choice('abc')}'"
        query = {"$filter": text, "take": 50}
        for image in self._calls.ask("list images by $filter", "GET", f"{project.path}/images", query) or ():
            if image["id"] not in self.images:
                self._calls.record.went_wrong("list images by $filter: one that is no more")

    def _count(self) -> None:
        project = self._project()
        if self._chance.random() < 0.5:
            self._calls.ask("count images", "GET", f"{project.path}/images/count")
        else:
            query = {"tagIds": project.tags[:2]}
            self._calls.ask("count images by tags", "GET", f"{project.path}/images/tagged/count", query)

    def _read_projects(self) -> None:
        self._calls.ask("list the projects", "GET", "/projects")
        self._calls.ask("list the tags", "GET", f"{self._project().path}/tags")

    def _predict(self) -> None:
        project = self._chance.choice(self._stage.projects[:2])
        self._made += 1
        path = f"/{project.id}/classify/iterations/{PUBLISHED}/image"
        answer = self._calls.predict("predict, stored", path, photograph(f"{self.number} {self._made}"))
        if answer:
            self.predictions[answer["id"]] = project
        if len(self.predictions) > _PREDICTIONS_KEPT:
            self._delete_predictions()

    def _query_predictions(self) -> None:
        project = self._chance.choice(self._stage.projects[:2])
        token: dict[str, Any] = {"orderBy": self._chance.choice(("Newest", "Oldest", "Suggested"))}
        if self._chance.random() < 0.5:
            token["tags"] = [{"id": project.tags[0], "minThreshold": 0.3, "maxThreshold": 1.0}]
        path = f"{project.path}/predictions/query"
        answer = self._calls.ask("query predictions", "POST", path, body={**token, "maxCount": 50})
        if answer and answer["token"]["continuation"]:
            self._calls.ask("query predictions", "POST", path, body=answer["token"])

    def _delete_predictions(self) -> None:
        if self.predictions:
            one = self._chance.choice(list(self.predictions))
            path = f"{self.predictions[one].path}/predictions"
            if self._calls.ask("delete a prediction", "DELETE", path, {"ids": one}):
                del self.predictions[one]

    def _take_over(self) -> None:
        """Create an image from a stored prediction."""
        if self.predictions:
            one = self._chance.choice(list(self.predictions))
            project = self.predictions[one]
            body = {"images": [{"id": one, "tagIds": [project.tags[0]]}]}
            made = self._calls.ask(
                "upload from a prediction", "POST", f"{project.path}/images/predictions", body=body
            )
            if made:
                item = made["images"][0]
                if item["status"] != "OK":
                    self._calls.record.went_wrong(f"upload from a prediction: {item['status']}")
                    return
                del self.predictions[one]
                self.images[item["image"]["id"]] = Kept(project, "", {project.tags[0]})

    def _suggest(self) -> None:
        found = self._one(lambda kept: not kept.tags and not kept.project.detection)
        if found:
            image, kept = found
            iteration = self._iteration(kept.project)
            if iteration:
                self._calls.ask(
                    "suggest",
                    "POST",
                    f"{kept.project.path}/tagsandregions/suggestions",
                    {"iterationId": iteration, "imageIds": image},
                    refusals=_GONE,
                )

    def _query_suggestions(self) -> None:
        project = self._chance.choice(self._stage.projects[:2])
        iteration = self._iteration(project)
        if iteration:
            path, query = f"{project.path}/images/suggested", {"iterationId": iteration}
            body = {"tagIds": [project.tags[0]], "threshold": 0.2}
            self._calls.ask("count suggestions", "POST", f"{path}/count", query, body, _GONE)
            self._calls.ask("query suggestions", "POST", path, query, {**body, "maxCount": 20}, _GONE)

    def _iteration(self, project: Shared) -> str | None:
        """The id of a published iteration; None without one."""
        for iteration in self._calls.ask("list the iterations", "GET", f"{project.path}/iterations") or ():
            if iteration.get("publishName"):
                return str(iteration["id"])
        return None

    def _side_project(self) -> None:
        """Create, fill and delete a project that only this client uses."""
        calls, name = self._calls, f"side {self.number}"
        made = calls.ask("create a project", "POST", "/projects", {"name": name})
        if not made:
            return
        path = f"/projects/{made['id']}"
        self._made += 1
        # The second image exists in another project too, so that a blob is shared by deleted and kept images.
        data = [photograph(f"{self.number} {self._made}"), self._stage.common[0]]
        tag = calls.ask("create a tag", "POST", f"{path}/tags", {"name": "tag"})["id"]
        body = {"images": [{**_entry(item), "tagIds": [tag]} for item in data]}
        calls.ask("upload", "POST", f"{path}/images/files", body=body)
        if calls.ask("count images", "GET", f"{path}/images/tagged/count") != len(data):
            calls.record.went_wrong("a side project has another number of images than were uploaded")
        if self._chance.random() < 0.5:
            calls.ask("delete all images", "DELETE", f"{path}/images", {"allImages": "true"})
        calls.ask("delete a project", "DELETE", path)


def _entry(data: bytes) -> dict[str, Any]:
    return {"name": "soak.png", "contents": base64.b64encode(data).decode()}
