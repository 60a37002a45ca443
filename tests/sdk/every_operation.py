"""Runs `scenario.py` with the first official Python SDK on the path, as a program.

Run by `programs.run_main_job`; its parameters are environment variables: SCENARIO, a file with the
steps as JSON; ANSWERS, a file that gets a line of JSON for each response; TRAINING_VERSION, the
version of the Training API to send to. Its last line is JSON: the
operations that the SDK has, and those that were called.

The code is the same for all versions: the arguments of an operation are read from the SDK itself.
"""

from __future__ import annotations

import base64
import inspect
import json
import logging
import os
import re
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from azure.cognitiveservices.vision.customvision.prediction import models as prediction_models
from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
from azure.cognitiveservices.vision.customvision.training import models as training_models

from tests.contract_chain.sdk_claims import Claims, claims, pascal
from tests.sdk.clients import make_client, never_by_proxy

PATIENCE_SECONDS = 300
NO_PARAMETERS = {"self", "custom_headers", "raw", "operation_config", "callback"}


class Complaints(logging.Handler):
    """Turns warnings of the SDK, such as a value that it cannot read, into errors."""

    def emit(self, record: logging.LogRecord) -> None:
        raise AssertionError(f"the SDK complains: {record.getMessage()}")


class Client:
    """One client of the SDK, whose operations are called by the names of the contract."""

    def __init__(self, kind: Any, api: str, models: Any, responses: list[Any]) -> None:
        variables = f"VISION_{api.upper()}"
        self.client = make_client(
            kind, api, os.environ[f"{variables}_ENDPOINT"], os.environ[f"{variables}_KEY"]
        )
        never_by_proxy(self.client)
        if api == "training":
            address = re.sub("/v[^/]+/", f"/v{os.environ['TRAINING_VERSION']}/", self.client.config.base_url)
            self.client.config.base_url = self.client._client._base_url = address

        def receive(response: Any, *_: Any, **__: Any) -> None:
            assert response.content is not None  # reading keeps the content, also of a streamed response
            responses.append(response)

        def hook(session: Any, _global: Any, _local: Any, **_: Any) -> None:
            session.hooks["response"] = [receive]

        self.client.config.session_configuration_callback = hook
        self.models = models
        self.claims: Claims = claims(kind, models)
        self.functions = {
            pascal(name): getattr(self.client, name)
            for name, function in inspect.getmembers(kind, inspect.isfunction)
            if hasattr(function, "metadata")
        }

    def call(self, operation: str, given: dict[str, Any], if_known: dict[str, Any]) -> Any:
        """Call an operation; arguments have the contract's names. Raises what the SDK raises."""
        function = self.functions[operation]
        free = set(inspect.signature(function).parameters) - NO_PARAMETERS
        arguments: dict[str, Any] = {}
        body = None
        for name, value in (if_known | given).items():
            if name == "body":
                body = value
            elif name == "imageData":
                arguments["image_data"] = base64.b64decode(value)
            elif snake(name) in free or name in given:
                arguments[snake(name)] = value
        free -= {
            snake(subject.split(" ")[2])
            for subject in self.claims
            if subject.startswith(f"{operation} ") and subject.split(" ")[1] in ("path", "query")
        }
        if body is not None:
            arguments.update(self.body_arguments(operation, body, free))
        return function(**arguments)

    def body_arguments(self, operation: str, body: Any, free: set[str]) -> dict[str, Any]:
        """`body` as the SDK takes it: whole, in its one argument that is `free`, or field by field."""
        shape = getattr(self.models, self.claims[f"{operation} body"], None)
        if shape is None:  # a plain map
            return {free.pop(): body}
        keys = {name: entry["key"] for name, entry in shape._attribute_map.items()}
        is_whole = not free <= keys.keys()
        taken = set(keys.values()) if is_whole else {keys[name] for name in free}
        assert body.keys() <= taken, f"{operation}: the SDK takes no {body.keys() - taken}"
        model = shape.from_dict(body)
        return {free.pop(): model} if is_whole else {name: getattr(model, name) for name in free}


def snake(name: str) -> str:
    """`projectId` as Python's arguments are named; `$filter` is `filter`."""
    return re.sub("([A-Z])", r"_\1", name.lstrip("$")).lower()


def understood(value: Any) -> Any:
    """The object that the SDK returned, as JSON."""
    if hasattr(value, "_attribute_map"):
        return {
            entry["key"]: understood(getattr(value, name)) for name, entry in value._attribute_map.items()
        }
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list):
        return [understood(item) for item in value]
    return {key: understood(item) for key, item in value.items()} if isinstance(value, dict) else value


# --- steps --------------------------------------------------------------------------------------------------


def resolved(value: Any, saved: dict[str, Any]) -> Any:
    """`value` with its references replaced by their values."""
    if isinstance(value, dict):
        return {key: resolved(item, saved) for key, item in value.items()}
    if isinstance(value, list):
        return [resolved(item, saved) for item in value]
    if not isinstance(value, str) or not value.startswith("$"):
        return value
    place, _, part = value[1:].partition("|")
    name, *keys = place.split(".")
    found = saved[name]
    for key in keys:
        found = found[int(key) if isinstance(found, list) else key]
    return urlsplit(found).path if part == "path" else found


def unmatched(expected: Any, given: Any, at: str = "$") -> Iterator[str]:
    """The differences of `given` from the expectation of a step, one line each."""
    if isinstance(expected, dict) and isinstance(given, dict):
        for key, value in expected.items():
            yield from unmatched(value, given.get(key), f"{at}.{key}")
    elif isinstance(expected, list) and isinstance(given, list) and len(expected) == len(given):
        for index, value in enumerate(expected):
            yield from unmatched(value, given[index], f"{at}[{index}]")
    elif expected != given:
        yield f"{at}: {given!r}, expected {expected!r}"


def main() -> dict[str, Any]:
    logging.getLogger("msrest").addHandler(Complaints(logging.WARNING))
    received: list[Any] = []
    clients = [
        Client(CustomVisionTrainingClient, "training", training_models, received),
        Client(CustomVisionPredictionClient, "prediction", prediction_models, received),
    ]
    owner = {operation: client for client in clients for operation in client.functions}
    called: set[str] = set()
    saved: dict[str, Any] = {}
    skipped = set(os.environ["NOT_IN_VERSION"].split())
    with Path(os.environ["ANSWERS"]).open("w", encoding="utf-8") as responses:
        for step in json.loads(Path(os.environ["SCENARIO"]).read_text(encoding="utf-8")):
            operation = step["call"]
            if not {operation, step.get("needs", operation)} <= owner.keys() - skipped:
                continue
            deadline = time.monotonic() + PATIENCE_SECONDS
            while True:
                wire, problems = carry_out(step, owner[operation], saved, received, responses)
                if "until" not in step or not problems:
                    break
                assert time.monotonic() < deadline, f"{operation}: waited in vain: {problems}"
                time.sleep(0.02)
            assert not problems, f"{operation}: {problems} in {wire}"
            if "refused" not in step:
                called.add(operation)
            if "as" in step:
                saved[step["as"]] = wire
    return {"has": sorted(owner), "called": sorted(called)}


def carry_out(
    step: dict[str, Any], client: Client, saved: dict[str, Any], received: list[Any], responses: Any
) -> tuple[Any, list[str]]:
    """Run a step once: the JSON of the response or None, and the differences from the expectation."""
    received.clear()
    given, if_known = (resolved(step.get(key, {}), saved) for key in ("with", "if known"))
    made, error = None, None
    try:
        made = client.call(step["call"], given, if_known)
        if inspect.isgenerator(made):
            assert b"".join(made) == received[-1].content
            made = None
    except client.models.CustomVisionErrorException as raised:
        error = raised
    (response,) = received
    wire = response.json() if "json" in response.headers.get("Content-Type", "") else None
    line = {
        "operation": step["call"],
        "method": response.request.method,
        "url": response.request.url,
        "status": response.status_code,
        "headers": dict(response.headers),
        "body": base64.b64encode(response.content).decode(),
        "understood": understood(error.error if error is not None else made),
    }
    responses.write(json.dumps(line) + "\n")
    if error is not None or "refused" in step:
        came = [response.status_code, error.error.code if error is not None else None]
        expected = step.get("refused", "success")
        return wire, [] if came == expected else [f"{came}, expected {expected}"]
    expected = resolved(step.get("until", step.get("expect", {})), saved)
    return wire, list(unmatched(expected, wire)) if expected != {} else []


if __name__ == "__main__":
    print(json.dumps(main()))
