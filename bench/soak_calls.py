"""Requests of the soak: timed, with a record of responses that are neither success nor expected refusal."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any
from urllib.parse import urlencode

from bench.programs import PREDICTION, PREDICTION_PATH, TRAINING, TRAINING_PATH

_PATIENCE_SECONDS = 100
_NOTED = 200


class Record:
    """Durations and errors of the requests of all clients. milliseconds: by the name of the request."""

    def __init__(self) -> None:
        self.milliseconds: defaultdict[str, list[float]] = defaultdict(list)
        self.refusals: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.wrong: list[str] = []
        self._lock = threading.Lock()

    def answered(self, name: str, milliseconds: float) -> None:
        with self._lock:
            self.milliseconds[name].append(milliseconds)

    def refused(self, name: str, code: str) -> None:
        with self._lock:
            self.refusals[name, code] += 1

    def went_wrong(self, what: str) -> None:
        with self._lock:
            if len(self.wrong) < _NOTED:
                self.wrong.append(what)


class Calls:
    """One persistent connection to the server."""

    def __init__(self, port: int, record: Record) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_SECONDS)
        self.record = record

    def ask(
        self,
        name: str,
        method: str,
        path: str,
        query: dict[str, Any] | None = None,
        body: Any = None,
        refusals: Collection[str] = (),
    ) -> Any:
        """The JSON of a success (True for no body), or None for a refusal with a code in `refusals`.

        path: below the training API. body: bytes, or data to send as JSON.
        """
        return self._send(name, method, TRAINING_PATH + path, query, body, refusals, TRAINING)

    def predict(self, name: str, path: str, data: bytes, refusals: Collection[str] = ()) -> Any:
        return self._send(name, "POST", PREDICTION_PATH + path, None, data, refusals, PREDICTION)

    def pages(self, name: str, path: str, query: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """All pages of a list of images."""
        found: list[dict[str, Any]] = []
        while page := self.ask(name, "GET", path, {**(query or {}), "take": 256, "skip": len(found)}):
            found += page
        return found

    def tokens(self, name: str, path: str, query: dict[str, Any], token: dict[str, Any]) -> list[Any]:
        """All results of a query with continuation tokens."""
        found: list[Any] = []
        while answer := self.ask(name, "POST", path, query, token):
            found += answer["results"]
            token = answer["token"]
            if not token["continuation"]:
                break
        return found

    def close(self) -> None:
        self._connection.close()

    def _send(
        self,
        name: str,
        method: str,
        path: str,
        query: dict[str, Any] | None,
        body: Any,
        refusals: Collection[str],
        keys: dict[str, str],
    ) -> Any:
        target = f"{path}?{urlencode(_flat(query))}" if query else path
        headers = dict(keys)
        if isinstance(body, bytes):
            headers["Content-Type"] = "application/octet-stream"
        elif body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body).encode()
        elif method in ("POST", "PATCH"):
            headers["Content-Length"] = "0"
        started = time.perf_counter()
        try:
            self._connection.request(method, target, body, headers)
            response = self._connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.record.went_wrong(f"{name}: {type(error).__name__}: {error}")
            self._connection.close()
            return None
        self.record.answered(name, (time.perf_counter() - started) * 1000)
        if response.status < 300:
            return json.loads(text) if text else True
        try:
            code = json.loads(text)["code"]
        except (ValueError, KeyError, TypeError):
            code = ""
        if code in refusals:
            self.record.refused(name, code)
        else:
            self.record.went_wrong(f"{name}: {response.status} {text[:300].decode('utf-8', 'replace')}")
        return None


def _flat(query: dict[str, Any]) -> dict[str, str]:
    return {
        key: ",".join(value) if isinstance(value, Sequence) and not isinstance(value, str) else str(value)
        for key, value in query.items()
    }
