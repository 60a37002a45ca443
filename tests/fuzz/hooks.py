"""Hooks for schemathesis: values that exist in the emulator, and an additional check.

schemathesis generates random ids, to which the service responds with 404. So most ids that the emulator did
not issue, or issued for another project, are replaced by ids of the request's project. The choice depends on
the request alone, so that the same request is the same whenever it is sent. Images and other values are
replaced likewise. The world itself stays intact: only projects that schemathesis created are deleted.

    FUZZ_WORLD   the result of `world.make`, as JSON
    FUZZ_COUNTS  the file for the number of responses, by operation and status
"""

import atexit
import json
import os
import re
import zlib
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import schemathesis
from hypothesis import strategies
from hypothesis.internal.conjecture import providers
from schemathesis import Case, CheckContext, GenerationMode, HookContext, Response
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.openapi.checks import UseAfterFree
from schemathesis.transport.serialization import Binary

from tests.contract_chain.spec import ContractValidator
from tests.fuzz.resources import KEY_BODY, new_resource
from tests.fuzz.world import (
    KINDS,
    PICTURES,
    PUBLISHED_NAME,
    SIGNED,
    SNAPSHOT,
    TO_TRAIN,
    TRAINING_SECONDS,
    Ids,
    as_base64,
    make,
)
from tests.support.data_sets import zip_of
from tests.support.exported_models import classifier_zip, detector_zip
from tests.support.harness import NOWHERE, RESOURCE_ID, TRAINING_KEY, wait_until
from tests.support.pulled import temporary_archive
from tests.support.snapshots import empty_archive

# Hypothesis draws some values from constants in the source of local modules. Without them, a change of this
# project's source does not change which requests a seed generates.
providers._get_local_constants = lambda: providers._local_constants

_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LONGEST_READ = 1_000_000
# One value in this number stays as schemathesis generated it.
_LEFT_ALONE = 8
_DESTROYING = {"DeleteProject", "DeleteTag", "DeleteImages", "DeleteTestSet"}
# The objects of these operations are in projects that schemathesis created.
_IN_OTHERS = {*_DESTROYING, "CreateTag"}
_OF_ROLLOUTS = {"StartRollout", "ChangeRollout", "FinishRollout", "GoBack"}
# These operations get projects of their own.
_TRAINING = {
    "TrainProject",
    "PublishIteration",
    "UnpublishIteration",
    "ExportIteration",
    "DeleteIteration",
}
# Names in the contract for the ids of the world; the names in `world.make` are valid too.
_NAMES = {
    "tagIds": "tagId",
    "selectedTags": "tagId",
    "imageIds": "imageId",
    "regionIds": "regionId",
    "iterationIds": "iterationId",
    "with": "iterationId",
    "ids": "id",
}
_SIGNED_PARAMETERS = {"sig", "se", "token"}
_FRACTIONS = {
    "left",
    "top",
    "width",
    "height",
    "threshold",
    "overlapThreshold",
    "minThreshold",
    "maxThreshold",
}

_FORMATS = {"platform": ("ONNX",), "flavor": ("ONNX12", "OnnxInt8")}
_PUBLISHED_ITERATION = "iterationId to unpublish"
_KINDS_OF_IDS = {"tagId", "imageId", "regionId", "iterationId", "testSetId", "id"}

# Ends of the paths of settings.
_SETTINGS = ("/choreography", "/trainer", "/clock")
# A training with this plan does not end before it is cancelled.
_ENDLESS = {"training": {"polls": 10_000}}
_CLOCK_CHANGES = {"ChangeClock", "AdvanceClock"}
_SNAPSHOTS = (SNAPSHOT, "other.snapshot")
_DATA_SET = zip_of({"red/1.png": PICTURES[0], "blue/2.png": PICTURES[1]})
# Bodies that random values hardly ever become.
_BODIES: dict[str, tuple[Any, ...]] = {
    "CreateFaultScenario": (
        {"operation": "GetTags", "steps": [{"kind": "status", "status": 503, "times": 2}, {"kind": "pass"}]},
        {"operation": "*", "client": "nobody", "random": {"seed": 1, "probability": 0.5, "calls": 3}},
    ),
    "ReplaceRoleAssignments": (
        {"assignments": []},
        {"assignments": [{"principal": "*", "role": "Reader"}, {"principal": "anna", "role": "Trainer"}]},
    ),
    "AddResource": ({"name": "added"}, {"name": "added-2", "tier": "F0"}),
    "AddKey": (KEY_BODY,),
    "ImportDataSet": (_DATA_SET,),
    "UploadSnapshot": (empty_archive(),),
    "InsertPulledProject": ({"folder": temporary_archive(), "replace": True},),
}
# Objects that are created for a request: path and body by the name of the id in the request's path.
_CREATED = {
    "scenarioId": ("faults", _BODIES["CreateFaultScenario"][0]),
    "scriptId": ("predictionScripts", {"predictions": [{"tagName": "red", "probability": 0.5}]}),
}

_POSITIVE = re.compile("positive test case|(only|all) required|custom media type")

_counts = Counter[str]()
_validator = ContractValidator()
# Objects by project, projects by object, and the projects of the world by name.
_known: dict[str, Ids] = {}
_project_of: dict[str, str] = {}
_world: dict[str, str] = {}
_published: set[str] = {PUBLISHED_NAME}


def _take_in(world: dict[str, Ids]) -> None:
    for forgotten in (_known, _project_of, _world):
        forgotten.clear()
    for name, ids in world.items():
        _world[name] = project = ids["projectId"][0]
        _known[project] = ids
        _project_of.update((one, project) for listed in ids.values() for one in listed)


_take_in(json.loads(os.environ["FUZZ_WORLD"]))


class _Meaning:
    """Replacements for the values of one request."""

    def __init__(self, case: Case) -> None:
        self._operation = _name(case)
        # Without values that differ between runs.
        stable = {key: value for key, value in (case.query or {}).items() if key not in _SIGNED_PARAMETERS}
        body = case.body if isinstance(case.body, dict | list | str | bytes) else None
        self._case = _GUID.sub("", repr((case.operation.label, stable, body)))
        self._project = str((case.path_parameters or {}).get("projectId"))
        self.is_positive = case.meta is None or case.meta.generation.mode is GenerationMode.POSITIVE
        made = [one for one in _known if one not in _world.values() and self._fits(case, one)]
        if made and self._operation in _IN_OTHERS:
            self._project = made[self._chance("project", len(made))]
        elif self._operation in _DESTROYING:
            self._project = NOWHERE
        elif not self._fits(case, self._project) or self._chance("project", 2):
            self._project = _world[self._kind(_name(case)) + (TO_TRAIN if _name(case) in _TRAINING else "")]

    def _fits(self, case: Case, project: str) -> bool:
        """True when the project exists and has the objects that the request names."""
        known = _known.get(project, {})
        named = {*(case.path_parameters or {}), *(case.query or {})}
        return project in _known and all(
            known.get(_NAMES.get(name, name)) for name in named if _NAMES.get(name, name) in _KINDS_OF_IDS
        )

    def _kind(self, operation: str) -> str:
        for kind, word in (("classify", "Classify"), ("detect", "Detect"), ("detect", "Region")):
            if word in operation and self._chance("kind", _LEFT_ALONE):
                return kind
        return KINDS[self._chance("kind", len(KINDS))]

    def _chance(self, value: object, of: int) -> int:
        """A number below `of` that depends only on the value and the request."""
        return zlib.crc32(f"{value!r} {self._case}".encode("utf-8", "surrogatepass")) % of

    def of(self, name: str, value: Any) -> Any:
        """The replacement for `value` as the parameter or property `name`."""
        if isinstance(value, dict):
            # An image without bytes is valid by the documents, but is always refused.
            is_file = name == "images" and self._operation == "CreateImagesFromFiles"
            whole = {"contents": ""} | value if is_file else value
            return {key: self.of(key, item) for key, item in whole.items()}
        if isinstance(value, list) and name == "selectedTags" and self._chance(name, _LEFT_ALONE):
            return _known.get(self._project, {}).get("tagId", [])[:2]
        if isinstance(value, list):
            return [self.of(name, item) for item in value]
        if self.is_left_alone(name, value):
            return value
        if isinstance(value, bytes | Binary) and name == "imageData":
            return self._picture(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return (1 + self._chance(value, 99)) / 200 if name in _FRACTIONS else value
        return self._text(name, value) if isinstance(value, str) else value

    def is_left_alone(self, name: str, value: object) -> bool:
        return not self._chance((name, value), _LEFT_ALONE)

    def body_instead(self, body: Any) -> Any:
        """One of `_BODIES` in place of half of the generated bodies, or the body."""
        choice = _BODIES.get(self._operation)
        if choice is None or self._chance("body", 2):
            return body
        return choice[self._chance("choice", len(choice))]

    def sign(self, case: Case) -> None:
        """Replace most requests for signed files by requests with the emulator's signature."""
        path = re.escape(case.operation.path).replace(r"\{", "(?P<").replace(r"\}", ">.+)")
        uris = [uri for ids in _known.values() for uri in ids.get(SIGNED, ()) if re.search(path + r"\?", uri)]
        if uris and self.is_positive:
            uri = uris[self._chance("uri", len(uris))]
            found = re.search(path + r"\?", uri)
            assert found is not None
            case.path_parameters.update(found.groupdict())
            case.query.update(parse_qsl(urlsplit(uri).query))

    def _text(self, name: str, value: str) -> str:
        if _GUID.fullmatch(value) and name not in _CREATED:
            return self._id(name, value)
        if name in _NAMES and "," in value:
            return ",".join(self._text(name, item) for item in value.split(","))
        if name == "publishedName":
            return value if value in _published else PUBLISHED_NAME
        if name == "contents":
            return as_base64(self._picture(value))
        if name == "snapshotName" and self.is_positive:
            return _SNAPSHOTS[self._chance(value, len(_SNAPSHOTS))]
        if name == "predictionId":
            return RESOURCE_ID
        if name == "project":
            return f"Imported {self._chance(value, 5)}"
        if name == "url":
            return f"http://pictures.test/{self._chance(value, len(PICTURES))}"
        if name == "$filter":
            return "metadata=shop eq 'north'"
        if name == "name" and self._operation == "GetOpenApiDocument":
            return ("3.0", "3.1", "3.3")[self._chance(value, 3)]
        if name == "token":
            tokens = [uri for ids in _known.values() for uri in ids.get(SIGNED, ()) if "export-info" in uri]
            return tokens[self._chance(value, len(tokens))]
        if self._operation == "ExportToAnyFormat" and name in _FORMATS:
            return _FORMATS[name][self._chance(value, len(_FORMATS[name]))]
        if name == "path":
            image = self._id("imageId", "")
            return f"/i-{self._project}/i-{image}".replace("-", "").replace("/i", "/i-")
        return value

    def _id(self, name: str, value: str) -> str:
        if name == "projectId":
            return self._project
        if self._operation == "UnpublishIteration" and name == "iterationId":
            name = _PUBLISHED_ITERATION
        choice = _known.get(self._project, {}).get(_NAMES.get(name, name))
        if not choice or (_project_of.get(value) == self._project and self._chance(name, 2)):
            return value
        return choice[self._chance(value, len(choice))]

    def _picture(self, value: object) -> bytes:
        return PICTURES[self._chance(value, len(PICTURES))]


def _name(case: Case) -> str:
    return str(case.operation.definition.raw.get("operationId", ""))


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    meaning = _Meaning(case)
    if {"sig", "se"} <= set(case.query or {}):
        meaning.sign(case)
        return
    for name in _CREATED.keys() & (case.path_parameters or {}).keys():
        if meaning.is_positive and not meaning.is_left_alone(name, case.path_parameters[name]):
            path, body = _CREATED[name]
            made = _control(str(case.operation.base_url).partition("/_emulator")[0], "POST", path, json=body)
            case.path_parameters[name] = made.json()["id"]
    if "importId" in (case.path_parameters or {}) and meaning.is_positive:
        case.path_parameters["importId"] = _checked_data_set(
            str(case.operation.base_url).partition("/_emulator")[0]
        )
    if _name(case) == "CancelJob" and meaning.is_positive:
        case.path_parameters["jobId"] = _begun_job(str(case.operation.base_url).partition("/_emulator")[0])
    for values in (case.path_parameters or {}, case.query or {}):
        for key, value in values.items():
            values[key] = value if key == "jobId" else meaning.of(key, value)
    if _name(case) == "DeleteTestSet" and meaning.is_positive:
        case.path_parameters.update(_new_test_set(str(case.operation.base_url).partition("/_emulator")[0]))
    if "resourceName" in (case.path_parameters or {}) and meaning.is_positive:
        endpoint = str(case.operation.base_url).partition("/_emulator")[0]
        case.path_parameters.update(new_resource(_name(case), partial(_control, endpoint)))
    if isinstance(case.body, dict | list):
        case.body = meaning.of("", case.body)
    if meaning.is_positive:
        case.body = meaning.body_instead(case.body)
    if _name(case) in _OF_ROLLOUTS and meaning.is_positive and isinstance(case.body, dict):
        _prepare_rollout(str(case.operation.base_url).partition("/_emulator")[0], case)
    if _name(case).endswith("PortalSession"):
        case.headers["Sec-Fetch-Site"] = "same-origin"  # as of a page of the portal
    if _name(case) == "BeginPortalSession" and meaning.is_positive:
        case.body = {"key": TRAINING_KEY}


@schemathesis.hook
def after_call(context: HookContext, case: Case, response: Response) -> None:
    name = _name(case)
    _counts[f"{name} {response.status_code}"] += 1
    endpoint = str(response.request.url).partition("/_emulator")[0]
    if (name, response.status_code) in (("Reset", 204), ("RestoreSnapshot", 200)):
        _make_again(endpoint)
    if name in _CLOCK_CHANGES and response.status_code == 200:  # otherwise signed URIs would expire
        _control(endpoint, "DELETE", "clock")
    if name == "DeleteTestEvaluation" and response.status_code == 204:
        _evaluate_again(endpoint, case.path_parameters)
    if name == "DeleteProject" and response.status_code == 204:
        _known.pop(str((case.path_parameters or {}).get("projectId")), None)
    if response.status_code != 200 or len(response.content) > _LONGEST_READ:
        return
    parameters = case.path_parameters or {}
    project = str(parameters.get("projectId", ""))
    ids = _GUID.findall(response.content.decode("utf-8", "replace"))
    if name in ("CreateProject", "ImportProject"):
        _project_of[ids[0]] = ids[0]
        _known[ids[0]] = {"projectId": [ids[0]]}
    elif project in _project_of:
        for one in ids:
            _project_of.setdefault(one, project)
        kind = {"CreateTag": "tagId", "TrainProject": "iterationId"}.get(name)
        if kind:
            _known.setdefault(project, {}).setdefault(kind, []).append(ids[0])
    if name == "TrainProject":
        _wait_for(case, response)
    if name == "PublishIteration":
        _published.add(str((case.query or {}).get("publishName")))
        _known.setdefault(project, {}).setdefault(_PUBLISHED_ITERATION, []).append(parameters["iterationId"])


def _begun_job(endpoint: str) -> str:
    """The id of a training that has begun."""
    project = _world[KINDS[0] + TO_TRAIN]
    _control(endpoint, "PUT", f"projects/{project}/choreography", json=_ENDLESS)
    httpx.post(
        f"{endpoint}/customvision/v3.3/training/projects/{project}/train?forceTrain=true",
        headers={"Training-Key": TRAINING_KEY},
        trust_env=False,
    ).raise_for_status()
    _control(endpoint, "PUT", f"projects/{project}/choreography", json={})
    return str(_control(endpoint, "GET", f"jobs?projectId={project}").json()["jobs"][0]["id"])


def _checked_data_set(endpoint: str) -> str:
    """The id of a data set of which a dry run was made."""
    made = _control(endpoint, "POST", "dataSets?project=checked&dryRun=true", content=_DATA_SET)
    import_id = str(made.json()["id"])
    wait_until(
        lambda: _control(endpoint, "GET", f"dataSets/{import_id}").json()["status"] != "Waiting", "a dry run"
    )
    return import_id


def _new_test_set(endpoint: str) -> dict[str, str]:
    """The parameters of a request for a test set that may be deleted."""
    project = _world[KINDS[0]]
    made = _control(endpoint, "POST", f"projects/{project}/testSets", json={"name": "to delete"})
    return {"projectId": project, "testSetId": str(made.json()["id"])}


def _prepare_rollout(endpoint: str, case: Case) -> None:
    """Change a request about a roll-out so that there is one, or that one can be started."""
    project = _world[KINDS[0]]
    path = f"projects/{project}/rollouts"
    name = {"publishName": PUBLISHED_NAME}
    (state,) = _control(endpoint, "GET", path, params=name).json()
    is_running = state["rollout"] is not None and state["rollout"]["status"] == "Running"
    others = [one for one in _known[project]["iterationId"] if one != state["iteration"]["id"]]
    candidate = name | {"iterationId": others[0]}
    if _name(case) == "StartRollout":
        if is_running:
            _control(endpoint, "POST", f"{path}/back", json=name)
        case.body |= candidate
    elif not is_running:
        _control(endpoint, "POST", path, json=candidate)
    case.path_parameters["projectId"] = project
    case.body |= name


def _evaluate_again(endpoint: str, parameters: dict[str, Any]) -> None:
    path = f"projects/{parameters['projectId']}/testSets/{parameters['testSetId']}/evaluations"
    _control(endpoint, "POST", path, json={"iterationIds": [parameters["iterationId"]]})


def _make_again(endpoint: str) -> None:
    _control(endpoint, "POST", "reset")
    _take_in(make(endpoint))


def _control(endpoint: str, method: str, path: str, **more: Any) -> httpx.Response:
    headers = {"Training-Key": TRAINING_KEY}
    return httpx.request(method, f"{endpoint}/_emulator/{path}", headers=headers, trust_env=False, **more)


def _wait_for(case: Case, trained: Response) -> None:
    """Wait until the iteration is trained, so that later requests do not depend on the training's speed."""
    made = trained.json()
    path = f"/projects/{made['projectId']}/iterations/{made['id']}"
    address = str(trained.request.url).partition("/projects/")[0] + path
    with httpx.Client(headers={"Training-Key": TRAINING_KEY}, trust_env=False) as client:

        def ended() -> bool:
            return bool(client.get(address).json()["status"] != "Training")

        wait_until(ended, "a training", TRAINING_SECONDS)


@schemathesis.hook
def filter_failure(context: HookContext, failure: Failure, case: Case, response: Response) -> bool:
    """True when it is a finding.

    An empty value is equal to an absent one, so it cannot be wrong. Deleted settings have their defaults.
    """
    if isinstance(failure, UseAfterFree):
        return not case.operation.path.endswith(_SETTINGS)
    # Lists are in the query with commas, as they are sent.
    has_empty_items = any("" in str(value).split(",") for value in (case.query or {}).values())
    # schemathesis describes some of its requests as positive, but expects a refusal of them.
    is_described_as_positive = _POSITIVE.search(failure.message)
    is_excused = has_empty_items or is_described_as_positive or _holds_empty_texts(case.body)
    return not (is_excused and isinstance(failure, AcceptedNegativeData))


def _holds_empty_texts(body: Any) -> bool:
    if isinstance(body, dict | list):
        return any(_holds_empty_texts(item) for item in (body.values() if isinstance(body, dict) else body))
    return bool(body == "")


@schemathesis.check
def contract(ctx: CheckContext, response: Response, case: Case) -> None:
    """The check of the other tests: order of properties, formats, the gateway's responses."""
    request = response.request
    wrong = _validator.check(
        str(request.method),
        str(request.path_url),
        response.status_code,
        # The length of a compressed body differs from that of the decompressed one.
        {
            name: values[0]
            for name, values in response.headers.items()
            if name != "content-length" or "content-encoding" not in response.headers
        },
        response.content,
    )
    assert not wrong, "\n".join(wrong)


@atexit.register
def _write_counts() -> None:
    Path(os.environ["FUZZ_COUNTS"]).write_text(json.dumps(_counts), encoding="utf-8")


schemathesis.openapi.media_type("application/octet-stream", strategies.sampled_from(PICTURES))
schemathesis.openapi.media_type(
    "application/zip", strategies.sampled_from((classifier_zip(), detector_zip(), empty_archive()))
)
