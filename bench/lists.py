"""Listing and counting in a project of 100,000 images, compared with one of 1,000.

The rows are written directly into the store together with the counters; the bytes of the images are not
needed. Each request is timed alternately in both projects: without a change before it, and right after a
change that invalidates caches (for example, an image gets or loses a tag). There are as many stored
predictions and suggestions as images.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bench import load, programs
from bench.list_rows import SHOPS, TAGS, UNTAGGED_EVERY, Filled, fill
from bench.programs import EMULATOR, TRAINING, TRAINING_PATH
from bench.report import Measurement, compared

LARGE, SMALL = 100_000, 1_000
TIMES = 25
TIMES_AFTER_A_WRITE = 15
RATIO = 1.5
STARTS = 3
_PAGE = 50


def measure() -> Iterator[Measurement]:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        # The first start creates the schema.
        with programs.running(EMULATOR, data):
            pass
        large, small = fill(data, LARGE), fill(data, SMALL)
        with programs.running(EMULATOR, data) as server:
            client = load.Client(server.port)
            for name, request in REQUESTS.items():
                requests = [request(project) for project in (large, small)]
                for each in requests:
                    client.timed([each] * 3)
                taken = [client.timed(requests) for _ in range(TIMES)]
                yield _compared(name, taken)
            for name, request in REQUESTS.items():
                writes = [_writes(name, project) for project in (large, small)]
                taken = []
                for _ in range(TIMES_AFTER_A_WRITE):
                    pair = []
                    for project, write in zip((large, small), writes, strict=True):
                        client.ask(next(write))
                        pair += client.timed([request(project)])
                    taken.append(pair)
                yield _compared(f"{name}, after a write", taken[1:])
            both = [_tagging(project) for project in (large, small)]
            taken = [client.timed([next(one) for one in both]) for _ in range(TIMES)]
            yield _compared("giving an image a tag, or taking it", taken[1:])
            deletions = zip(*(_deletions(client, project) for project in (large, small)), strict=True)
            yield _compared("deleting an image", [client.timed(pair) for pair in deletions])
            client.close()
        yield from _first_times(data, large, small)


def _first_times(data: Path, large: Filled, small: Filled) -> Iterator[Measurement]:
    """First requests after the start, which build an index that later requests use."""
    for name in FIRST_TIMES:
        taken = []
        for _ in range(STARTS):
            with programs.running(EMULATOR, data) as server:
                client = load.Client(server.port)
                client.timed([REQUESTS["count tagged"](project) for project in (large, small)])
                # The small project first: its request also pays for the costs of any first request.
                pair = [client.timed([REQUESTS[name](project)])[0] for project in (small, large)]
                taken.append(pair[::-1])
                client.close()
        first, second = zip(*taken, strict=True)
        yield compared(f"  {name}, the first time since the start", "ms", first, f"{SMALL:,} images", second)


def _compared(name: str, taken: list[list[float]]) -> Measurement:
    large, small = zip(*taken, strict=True)
    return compared(name, "ms", large, f"{SMALL:,} images", small, at_most=RATIO)


# --- requests -----------------------------------------------------------------------------------------------


def _path(project: Filled, rest: str) -> str:
    tagged = project.images - project.images // UNTAGGED_EVERY
    filled = rest.format(
        middle=project.images // 2,
        middle_of_tagged=tagged // 2,
        last_of_tagged=tagged - _PAGE,
        middle_of_untagged=project.images // UNTAGGED_EVERY // 2,
        middle_of_tag=tagged // TAGS // 2,
        tag=project.tag_ids[0],
        other=project.tag_ids[1],
        iteration=project.iteration_id,
    )
    return f"{TRAINING_PATH}/projects/{project.id}{filled}"


def _images(rest: str) -> Callable[[Filled], bytes]:
    return lambda project: programs.request("GET", _path(project, f"/images{rest}"), TRAINING)


def _filter(text: str, rest: str = "") -> Callable[[Filled], bytes]:
    return _images(f"{rest}?take=50&$filter={quote(f'metadata={text}')}")


def _post(project: Filled, rest: str, body: dict[str, Any]) -> bytes:
    headers = {**TRAINING, "Content-Type": "application/json"}
    return programs.request("POST", _path(project, rest), headers, json.dumps(body).encode())


def _predictions(order: str = "Newest", tags: int = 0, **fields: Any) -> Callable[[Filled], bytes]:
    """A query of stored predictions. fields: of the token; `window`: with the project's time window."""

    def request(project: Filled) -> bytes:
        token = {"orderBy": order, "maxCount": _PAGE, **fields}
        if token.pop("window", False):
            token["startTime"], token["endTime"] = (time.isoformat() for time in project.window)
        token["tags"] = [
            {"id": tag, "minThreshold": 0.2, "maxThreshold": 0.9} for tag in project.tag_ids[:tags]
        ]
        return _post(project, "/predictions/query", token)

    return request


def _suggested(rest: str = "", tags: int = 0, **body: Any) -> Callable[[Filled], bytes]:
    def request(project: Filled) -> bytes:
        wanted = {**body, "tagIds": project.tag_ids[:tags]}
        return _post(project, f"/images/suggested{rest}?iterationId={{iteration}}", wanted)

    return request


REQUESTS = {
    "all, first page": _images("?take=50"),
    "all, middle": _images("?take=50&skip={middle}"),
    "tagged, first page, newest": _images("/tagged?take=50"),
    "tagged, first page, oldest": _images("/tagged?take=50&orderBy=Oldest"),
    "tagged, middle, newest": _images("/tagged?take=50&skip={middle_of_tagged}"),
    "tagged, middle, oldest": _images("/tagged?take=50&skip={middle_of_tagged}&orderBy=Oldest"),
    "tagged, last page, newest": _images("/tagged?take=50&skip={last_of_tagged}"),
    "tagged, last page, oldest": _images("/tagged?take=50&skip={last_of_tagged}&orderBy=Oldest"),
    "untagged, first page": _images("/untagged?take=50"),
    "untagged, middle": _images("/untagged?take=50&skip={middle_of_untagged}"),
    "one tag, first page": _images("/tagged?take=50&tagIds={tag}"),
    "one tag, middle": _images("/tagged?take=50&tagIds={tag}&skip={middle_of_tag}"),
    "two tags, first page": _images("/tagged?take=50&tagIds={tag},{other}"),
    "two tags, middle": _images("/tagged?take=50&tagIds={tag},{other}&skip={middle_of_tag}"),
    "an iteration's tagged, first page": _images("/tagged?take=50&iterationId={iteration}"),
    "an iteration's tagged, middle": _images(
        "/tagged?take=50&iterationId={iteration}&skip={middle_of_tagged}"
    ),
    "count all": _images("/count"),
    "count tagged": _images("/tagged/count"),
    "count untagged": _images("/untagged/count"),
    "count one tag": _images("/tagged/count?tagIds={tag}"),
    "count two tags": _images("/tagged/count?tagIds={tag},{other}"),
    "count an iteration's tagged": _images("/tagged/count?iterationId={iteration}"),
    "evaluated images, middle": lambda project: programs.request(
        "GET",
        _path(project, "/iterations/{iteration}/performance/images?take=50&skip={middle_of_tag}"),
        TRAINING,
    ),
    "count evaluated images": lambda project: programs.request(
        "GET", _path(project, "/iterations/{iteration}/performance/images/count"), TRAINING
    ),
    "$filter, one value": _filter("shop eq 'north'"),
    "$filter, few": _filter("shop eq 'north' and shelf eq '4'"),
    "$filter, count": _filter("shop ne 'north' or shelf eq '7'", "/count"),
    "projects": lambda project: programs.request("GET", f"{TRAINING_PATH}/projects", TRAINING),
    "predictions, newest": _predictions(),
    "predictions, most uncertain": _predictions("Suggested"),
    "predictions of a tag": _predictions(tags=1),
    "predictions of two tags, oldest": _predictions("Oldest", tags=2),
    "predictions of a tag, most uncertain": _predictions("Suggested", tags=1),
    "predictions of a time": _predictions(window=True),
    "predictions of a time, most uncertain": _predictions("Suggested", window=True),
    "predictions of an application": _predictions(application="application 7"),
    "suggestions": _suggested(maxCount=_PAGE),
    "suggestions of a tag": _suggested(tags=1, threshold=0.8, maxCount=_PAGE),
    "suggestions of few": _suggested(tags=1, threshold=0.84, maxCount=_PAGE, sortBy="UncertaintyDescending"),
    "suggestions, count": _suggested("/count", threshold=0.5),
    "suggestions of two tags, count": _suggested("/count", tags=2, threshold=0.5),
}
FIRST_TIMES = (
    "tagged, middle, newest",
    "two tags, middle",
    "an iteration's tagged, middle",
    "evaluated images, middle",
    "$filter, one value",
    "predictions of a tag",
    "suggestions, count",
)


def _writes(name: str, project: Filled) -> Iterator[bytes]:
    """Requests that change what the request `name` lists, without end."""
    if name.startswith("$filter"):
        return _describing(project)
    if name.startswith("predictions"):
        return _forgetting(project)
    if name.startswith("suggestions"):
        return _tagging_others(project)
    return _tagging(project)


def _tagging(project: Filled) -> Iterator[bytes]:
    """Requests that tag and untag the spare image."""
    tag = project.tag_ids[0]
    body = {"tags": [{"imageId": project.spare, "tagId": tag}]}
    taken = _path(project, f"/images/tags?imageIds={project.spare}&tagIds={tag}")
    while True:
        yield _post(project, "/images/tags", body)
        yield programs.request("DELETE", taken, TRAINING)


def _tagging_others(project: Filled) -> Iterator[bytes]:
    """Requests that tag further images, which removes their suggestions."""
    while True:
        body = {"tags": [{"imageId": project.untagged.pop(), "tagId": project.tag_ids[0]}]}
        yield _post(project, "/images/tags", body)


def _describing(project: Filled) -> Iterator[bytes]:
    for shop in cycle(SHOPS):
        yield _post(project, f"/images/metadata?imageIds={project.spare}", {"shop": shop})


def _forgetting(project: Filled) -> Iterator[bytes]:
    while True:
        yield programs.request(
            "DELETE", _path(project, f"/predictions?ids={project.predictions.pop()}"), TRAINING
        )


def _deletions(client: load.Client, project: Filled) -> list[bytes]:
    """Requests that delete the newest images, one image each."""
    path = f"{TRAINING_PATH}/projects/{project.id}/images"
    newest = json.loads(client.ask(programs.request("GET", f"{path}?take={TIMES}", TRAINING)))
    return [programs.request("DELETE", f"{path}?imageIds={image['id']}", TRAINING) for image in newest]
