"""Calls every operation of every version of every official SDK on a live server.

The calls are those of `scenario.py`. Each response is validated, and the object that the
SDK returned is compared with what was sent. The trainings are stubs; the main jobs
train for real with each version of the Python SDK.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.contract_chain.contradictions import CONTRADICTIONS
from tests.contract_chain.spec import ContractValidator, operations_of
from tests.sdk import scenario
from tests.sdk.installed import REDIRECTED, SDKS, Sdk, command
from tests.sdk.live import Emulator
from tests.sdk.programs import run_main_job
from tests.support import coverage_evidence

validator = ContractValidator(coverage_evidence.note_validated)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An emulator with the stub trainer that serves URLs of images from a folder, with ``--strict``."""
    folder, data = tmp_path_factory.mktemp("pictures"), tmp_path_factory.mktemp("data")
    scenario.write_pictures(folder)
    server = Emulator(
        data,
        "--strict",
        "--url-map",
        f"{scenario.PICTURES}={folder}",
        program="tests.support.stub_trainer_server",
    )
    wrong = server.client.get(f"{server.endpoint}/customvision/v3.3/training/projects", params={"x": "1"})
    assert wrong.is_success
    assert departures(server) == [["request: query parameter 'x' is not documented"]]
    yield server
    server.kill()
    assert "Traceback" not in server.log(), server.log()


def departures(emulator: Emulator) -> list[list[str]]:
    """The departures from the documents of each logged request that has some."""
    response = emulator.client.get(f"{emulator.endpoint}/_emulator/requests", params={"departed": "true"})
    return [one["departures"] for one in response.json()["requests"]]


@pytest.mark.parametrize("sdk", [*SDKS, *REDIRECTED], ids=str)
def test_every_operation(emulator: Emulator, tmp_path: Path, sdk: Sdk) -> None:
    name = "every-operation" if sdk.language == "JavaScript" else "sdk.every_operation"
    line, environment = command(sdk, name)
    assert emulator.client.post(f"{emulator.endpoint}/_emulator/reset").is_success
    steps, answers = tmp_path / "scenario.json", tmp_path / "answers.jsonl"
    steps.write_text(json.dumps(scenario.scenario()), encoding="utf-8")
    documented = {api: operations_of(api, sdk.speaks(api)) for api in ("training", "prediction")}
    missing = operations_of("training", sdk.redirected_from or sdk.training) - documented["training"]
    output = run_main_job(
        line,
        emulator,
        SCENARIO=str(steps),
        ANSWERS=str(answers),
        TRAINING_VERSION=sdk.training,
        NOT_IN_VERSION=" ".join(sorted(missing)),
        **environment,
    )
    last = json.loads(output.splitlines()[-1])
    assert set(last["has"]) - missing == documented["training"] | documented["prediction"]
    assert set(last["called"]) == set(last["has"]) - missing

    assert departures(emulator) == []

    for text in answers.read_text(encoding="utf-8").splitlines():
        response = json.loads(text)
        body = base64.b64decode(response["body"])
        problems = validator.check(
            response["method"], response["url"], response["status"], response["headers"], body
        )
        problems += misunderstandings(sdk, response, body)
        assert not problems, "\n".join(problems)
    for api, operations in documented.items():
        if sdk.redirected_from and api == "prediction":
            continue  # as without redirecting
        for operation in operations & set(last["called"]):
            coverage_evidence.note(api, sdk.speaks(api), operation, str(sdk))


# --- objects that the SDK returned --------------------------------------------------------------------------


def misunderstandings(sdk: Sdk, response: dict[str, Any], body: bytes) -> list[str]:
    """Differences of the SDK's objects from what was sent."""
    headers = {name.lower(): value for name, value in response["headers"].items()}
    if "json" not in headers.get("content-type", ""):
        return []
    unknown = {
        start.partition(".")[2]
        for start in CONTRADICTIONS.get(("training", sdk.training), {})
        if start.startswith("ProjectSettings.")
    }
    found = not_understood(json.loads(body), response["understood"], unknown)
    return [f"{response['operation']}: {line}" for line in found]


def not_understood(sent: Any, made: Any, unknown: set[str], at: str = "$") -> Iterator[str]:
    """`unknown`: names of properties that the SDK ignores. It may omit null values."""
    if isinstance(sent, dict) and isinstance(made, dict):
        for key, value in sent.items():
            if not (key in unknown and key not in made) and not (value is None and made.get(key) is None):
                yield from not_understood(value, made.get(key), unknown, f"{at}.{key}")
    elif isinstance(sent, list) and isinstance(made, list) and len(sent) == len(made):
        for index, value in enumerate(sent):
            yield from not_understood(value, made[index], unknown, f"{at}[{index}]")
    elif not is_same(sent, made):
        yield f"{at}: the SDK understands {made!r}, sent was {sent!r}"


def is_same(sent: Any, made: Any) -> bool:
    if isinstance(sent, float) and isinstance(made, int | float):
        return math.isclose(sent, made, rel_tol=1e-12)
    if isinstance(sent, str) and isinstance(made, str) and sent != made:
        return is_same_time(sent, made)
    return type(sent) is type(made) and bool(sent == made)


def is_same_time(sent: str, made: str) -> bool:
    """True when both are the same time, to the millisecond, which is JavaScript's resolution."""
    try:
        moments = [datetime.fromisoformat(text) for text in (sent, made)]
    except ValueError:
        return False
    first, second = (moment.replace(tzinfo=moment.tzinfo or UTC) for moment in moments)
    return abs((first - second).total_seconds()) < 0.001


@pytest.mark.parametrize(
    ("sent", "made", "said"),
    [
        ({"a": 1}, {}, "$.a: the SDK understands None, sent was 1"),
        ({"a": "x"}, {"a": "y"}, "$.a: the SDK understands 'y', sent was 'x'"),
        ([1, 2], [1], "$: the SDK understands [1], sent was [1, 2]"),
        (
            {"at": "2026-01-01T00:00:00.1Z"},
            {"at": "2026-01-01T00:00:00.102Z"},
            "$.at: the SDK understands '2026-01-01T00:00:00.102Z', sent was '2026-01-01T00:00:00.1Z'",
        ),
        (True, 1, "$: the SDK understands 1, sent was True"),
    ],
)
def test_lost_properties_are_reported(sent: Any, made: Any, said: str) -> None:
    assert list(not_understood(sent, made, set())) == [said]
