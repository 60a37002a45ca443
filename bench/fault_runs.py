"""Runs of a client whose calls fail at random, with a check of the effect of each call.

A run creates a project with tags and images, trains, publishes, predicts and deletes the project. A call is
repeated until it has had its effect. After each attempt, requests without faults read what it did.
"""

from __future__ import annotations

import base64
import io
import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from PIL import Image

from bench.programs import PREDICTION, PREDICTION_PATH, TRAINING, TRAINING_PATH
from emulator.settings import Settings

PROBABILITY = 0.3
# Of every kind, before and after the request is carried out; waits are short, since there are thousands.
STEPS: list[dict[str, Any]] = [
    *(
        {**step, "afterDone": after_done}
        for step in (
            {"kind": "status", "status": 500},
            {"kind": "status", "status": 503, "body": "gateway"},
            {"kind": "throttle", "retryAfter": 0},
            {"kind": "delay", "milliseconds": 10},
            {"kind": "reset"},
            {"kind": "close"},
        )
        for after_done in (False, True)
    ),
    {"kind": "reset", "bytes": 1},
    {"kind": "truncate"},
    {"kind": "slow", "bytesPerSecond": 50_000},
    {"kind": "stale"},
]
_RETURNING = ("delay", "slow")
_PATIENCE_SECONDS = 30
_MOST_ATTEMPTS = 100
_MOST_POLLS = 2000
_IMAGES_PER_TAG = 5
_COLORS = {"red": (200, 30, 30), "blue": (30, 30, 200)}


class Wrong(Exception):
    """A call had another effect than it should have had, or none in time."""


@dataclass
class Outcome:
    """What came of all runs. attempts: of calls. faults: attempts by kind of fault."""

    runs: int = 0
    attempts: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


class FaultyClient:
    """One client and its scenario of random faults. origin: ``http://127.0.0.1:10010``."""

    def __init__(self, origin: str, number: int, outcome: Outcome, probability: float = PROBABILITY) -> None:
        self._number = number
        self._outcome = outcome
        name = f"faulty {number}"
        options: dict[str, Any] = {
            "base_url": origin,
            "headers": {**TRAINING, **PREDICTION},
            "timeout": _PATIENCE_SECONDS,
            "trust_env": False,
        }
        self._checking = httpx.Client(**options)
        self._calling = httpx.Client(**options)
        self._calling.headers["X-Emulator-Client"] = name
        scenario = {
            "operation": "*",
            "client": name,
            "steps": STEPS,
            "random": {"seed": number, "probability": probability},
        }
        self._scenario = (
            f"/_emulator/faults/{_json(self._checking.post('/_emulator/faults', json=scenario))['id']}"
        )
        self._used = [0] * len(STEPS)
        self._chance = random.Random(number)

    def close(self) -> None:
        self._checking.close()
        self._calling.close()

    def work(self, runs: int) -> None:
        """Carry out runs; what is wrong is in the outcome."""
        for run in range(runs):
            try:
                self._run(f"run {self._number}.{run}")
            except (Wrong, httpx.HTTPError, KeyError, ValueError) as error:
                with self._outcome.lock:
                    self._outcome.wrong.append(f"run {self._number}.{run}: {error!r}")
            with self._outcome.lock:
                self._outcome.runs += 1

    def _run(self, name: str) -> None:
        projects = f"{TRAINING_PATH}/projects"
        multiclass = {"name": name, "classificationType": "Multiclass"}
        self._call("CreateProject", "POST", projects, lambda: self._named(projects, name), params=multiclass)
        (project_id,) = [one["id"] for one in self._get(projects) if one["name"] == name]
        project = f"{projects}/{project_id}"
        tags = f"{project}/tags"
        for tag in _COLORS:
            self._call(
                "CreateTag", "POST", tags, lambda tag=tag: self._named(tags, tag), params={"name": tag}
            )
        tag_ids = {one["name"]: one["id"] for one in self._get(tags)}
        self._call(
            "CreateImagesFromFiles",
            "POST",
            f"{project}/images/files",
            lambda: self._uploads(project, tags),
            json=self._images(tag_ids),
        )
        iterations = f"{project}/iterations"
        self._call("TrainProject", "POST", f"{project}/train", lambda: len(self._get(iterations)))
        iteration = f"{iterations}/{self._get(iterations)[0]['id']}"
        self._wait_for_training(iteration)
        resource = Settings().prediction_resource_id
        self._call(
            "PublishIteration",
            "POST",
            f"{iteration}/publish",
            lambda: int(self._get(iteration).get("publishName") == "model"),
            params={"publishName": "model", "predictionId": resource},
        )
        self._call(
            "ClassifyImage",
            "POST",
            f"{PREDICTION_PATH}/{project_id}/classify/iterations/model/image",
            lambda: self._predictions(project),
            content=self._image("red"),
            headers={"Content-Type": "application/octet-stream"},
        )
        self._call(
            "UnpublishIteration",
            "DELETE",
            f"{iteration}/publish",
            lambda: int(self._get(iteration).get("publishName") is None),
        )
        self._call("DeleteProject", "DELETE", project, lambda: 1 - self._named(projects, name))

    def _call(self, name: str, method: str, path: str, effect: Callable[[], int], **more: Any) -> None:
        """Repeat a call until it has had its effect.

        effect: how often the effect is there.
        """
        for _ in range(_MOST_ATTEMPTS):
            is_success = self._attempt(method, path, **more)
            step = self._step_used()
            is_carried_out = step is None or bool(step.get("afterDone")) or step["kind"] in _RETURNING
            found, expected = effect(), int(is_carried_out)
            if found != expected:
                raise Wrong(f"{name} with {step}: success is {is_success}, its effect is there {found} times")
            if is_success != (step is None or step["kind"] in _RETURNING):
                raise Wrong(f"{name} with {step}: success is {is_success}")
            if found:
                return
        raise Wrong(f"{name} had no effect in {_MOST_ATTEMPTS} attempts")

    def _attempt(self, method: str, path: str, **more: Any) -> bool:
        """Whether a call with a possible fault has a complete response of success."""
        try:
            return self._calling.request(method, path, **more).is_success
        except httpx.TimeoutException:
            raise Wrong(f"{method} {path}: no response within {_PATIENCE_SECONDS} s") from None
        except httpx.TransportError:
            return False

    def _step_used(self) -> dict[str, Any] | None:
        """The step that the last call has used."""
        steps = _json(self._checking.get(self._scenario))["steps"]
        used = [step["used"] for step in steps]
        changed = [number for number, count in enumerate(used) if count != self._used[number]]
        self._used = used
        if len(changed) > 1:
            raise Wrong(f"one call used the steps {changed}")
        step = steps[changed[0]] if changed else None
        with self._outcome.lock:
            self._outcome.attempts += 1
            self._outcome.faults[step["kind"] if step else "none"] += 1
        return step

    def _wait_for_training(self, iteration: str) -> None:
        """Poll as a client does, with faults."""
        for _ in range(_MOST_POLLS):
            is_success = self._attempt("GET", iteration)
            self._step_used()
            if is_success and self._get(iteration)["status"] == "Completed":
                return
        raise Wrong(f"the training has the status {self._get(iteration)['status']}")

    # What is there, read without faults

    def _get(self, path: str) -> Any:
        return _json(self._checking.get(path))

    def _named(self, path: str, name: str) -> int:
        return sum(one["name"] == name for one in self._get(path))

    def _uploads(self, project: str, tags: str) -> int:
        """1 if all images are there with their tags, 0 if none is."""
        total = self._get(f"{project}/images/count")
        tagged = [one["imageCount"] for one in self._get(tags)]
        for number in (0, 1):
            each = number * _IMAGES_PER_TAG
            if total == each * len(_COLORS) and tagged == [each] * len(_COLORS):
                return number
        raise Wrong(f"the upload is there in part: {total} images, {tagged} by tag")

    def _predictions(self, project: str) -> int:
        found = self._checking.post(f"{project}/predictions/query", json={})
        return len(_json(found)["results"])

    # Images

    def _images(self, tag_ids: dict[str, str]) -> dict[str, Any]:
        entries = [
            {
                "name": f"{color} {number}",
                "contents": base64.b64encode(self._image(color)).decode(),
                "tagIds": [tag_ids[color]],
            }
            for color in _COLORS
            for number in range(_IMAGES_PER_TAG)
        ]
        return {"images": entries}

    def _image(self, color: str) -> bytes:
        """Noise around a color, other noise each time."""
        content = io.BytesIO()
        noise = Image.frombytes("RGB", (64, 64), self._chance.randbytes(64 * 64 * 3))
        Image.blend(noise, Image.new("RGB", (64, 64), _COLORS[color]), 0.7).save(content, "PNG")
        return content.getvalue()


def run(origin: str, runs: int, clients: int) -> Outcome:
    """Carry out about `runs` runs, by several clients at the same time."""
    outcome = Outcome()
    workers = [FaultyClient(origin, number, outcome) for number in range(clients)]
    threads = [threading.Thread(target=each.work, args=(-(-runs // clients),)) for each in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in workers:
        each.close()
    return outcome


def what_is_left(origin: str) -> list[str]:
    """What should not be there when all runs have ended: projects, imports, problems of the server."""
    with httpx.Client(
        base_url=origin, headers=TRAINING, timeout=_PATIENCE_SECONDS, trust_env=False
    ) as client:
        projects = [f"project {one['name']}" for one in _json(client.get(f"{TRAINING_PATH}/projects"))]
        ready = client.get("/_emulator/health/ready")
        problems = [] if ready.status_code == 200 else [f"not ready: {ready.text}"]
        return projects + problems


def _json(response: httpx.Response) -> Any:
    if not response.is_success:
        raise Wrong(
            f"{response.request.method} {response.request.url}: {response.status_code} {response.text}"
        )
    return response.json()
