"""Scoring of pictures by the published model of a running emulator."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from urllib.parse import quote

from emulator.cli.control import call_emulator, message_in
from emulator.cli.errors import CommandFailed
from emulator.cli.factory.watching.results import Picture
from emulator.settings import Settings

_TRAINING = "/customvision/v3.3/training"
_PREDICTION = "/customvision/v3.1/prediction"
# Far above what the service accepts; larger files are not read.
_MOST_BYTES = 64 * 2**20
_TIMEOUT_SECONDS = 60.0
_SCORED = 200
_REFUSED = 400
# An image that a detector found nothing in.
NOTHING = "(nothing)"


class NotNow(Exception):
    """The emulator cannot score pictures now: it does not answer, or has no such project or published name.

    str() says why, for a person.
    """


class Scorer:
    """Scores pictures. project: id or name. threshold: of the boxes of a detector that count, 0 to 1."""

    def __init__(
        self, settings: Settings, project: str, published: str, *, store: bool, threshold: float
    ) -> None:
        self._settings = settings
        self._project = project
        self._published = published
        self._store = store
        self._threshold = threshold
        self._address: str | None = None

    def score(self, picture: Picture, data: bytes) -> dict[str, Any]:
        """The fields of the result: status, tag, probability, predictions and others. Raises NotNow.

        The id of the request depends on the picture alone: when the program is killed after the emulator has
        answered, the emulator answers the repeated request without scoring it again.
        """
        if len(data) > _MOST_BYTES:
            return _refusal("the file is too large to be a picture")
        address = self._found()
        identity = hashlib.sha256(f"{picture}".encode(errors="replace") + data).hexdigest()
        headers = {
            "Prediction-Key": self._settings.prediction_keys[0],
            "Content-Type": "application/octet-stream",
            "X-Emulator-Request-Id": identity,
        }
        status, body = self._call("POST", address, data, headers)
        if status == _REFUSED:
            return _refusal(message_in(body) or "the emulator refused it")
        if status != _SCORED:
            self._address = None  # it may be another project's by now
            raise NotNow(message_in(body) or f"the emulator answers with status {status}")
        return _result(json.loads(body), self._threshold)

    def _found(self) -> str:
        """The path of the published model. Raises NotNow."""
        if self._address is None:
            projects = self._get("/projects")
            wanted = [one for one in projects if self._project in (one["id"], one["name"])]
            if len(wanted) != 1:
                number = "no project" if not wanted else "more than one project"
                raise NotNow(f"there is {number} '{self._project}'")
            domain = self._get(f"/domains/{wanted[0]['settings']['domainId']}")
            kind = "detect" if domain["type"] == "ObjectDetection" else "classify"
            name = quote(self._published, safe="")
            end = "/image" if self._store else "/image/nostore"
            self._address = f"{_PREDICTION}/{wanted[0]['id']}/{kind}/iterations/{name}{end}"
        return self._address

    def _get(self, path: str) -> Any:
        status, body = self._call("GET", f"{_TRAINING}{path}")
        if status != _SCORED:
            raise NotNow(message_in(body) or f"the emulator answers with status {status}")
        return json.loads(body)

    def _call(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        try:
            return call_emulator(
                self._settings, method, path, body, timeout=_TIMEOUT_SECONDS, headers=headers
            )
        except CommandFailed as failed:
            raise NotNow(str(failed)) from None


def _refusal(reason: str) -> dict[str, Any]:
    return {"status": "refused", "tag": None, "probability": None, "error": reason}


def _result(response: dict[str, Any], threshold: float) -> dict[str, Any]:
    predictions = sorted(response["predictions"], key=lambda one: -one["probability"])
    found = [one for one in predictions if "boundingBox" not in one or one["probability"] >= threshold]
    best = found[0] if found else {"tagName": NOTHING, "probability": None}
    return {
        "status": "scored",
        "tag": best["tagName"],
        "probability": best["probability"],
        "predictions": [
            {name: one[name] for name in ("tagName", "probability", "boundingBox") if name in one}
            for one in found
        ],
        "predictionId": response["id"],
        "project": response["project"],
        "iteration": response["iteration"],
    }
