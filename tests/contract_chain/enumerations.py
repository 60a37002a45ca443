"""The places of requests that take a value of an enumeration, from the documents, and how to send one."""

from collections.abc import Callable, Iterator
from typing import Any

from tests.contract_chain.spec import METHODS, VERSIONS, render
from tests.support import insight
from tests.support.data_sets import DataSets
from tests.support.exported_models import classifier_zip
from tests.support.harness import COMPACT, Service
from tests.support.images import picture, pictures
from tests.support.predicting import insert
from tests.support.suggesting import Suggesting
from tests.support.test_sets import Sets

# API, operation, and the place of the value in the request: ("query", "orderBy"), ("body", "settings", ...).
Place = tuple[str, str, tuple[str, ...]]
# Sends a value in a version (as "v3.3"); returns what the response makes of it, the same for equal values.
Sender = Callable[[Service, str, str], Any]

PRODUCTS = "3780a898-81c3-4516-81ae-3a139614e1f3"
# Operations of the control API that do not accept values of their bodies in another case.
READ_EXACTLY = {
    "ChangeRollout",
    "CreateFaultScenario",
    "SetProjectTrainer",
    "SetTrainer",
    "SetUpstreamMode",
    "StartRollout",
}
_FLAVORED = {"Linux": "DockerFile", "Windows": "DockerFile", "ARM": "DockerFile"}


def places(api: str, version: str) -> dict[Place, tuple[str, ...]]:
    """The values of each enumeration that a client sends."""
    document = render(api, version)
    found: dict[Place, tuple[str, ...]] = {}
    for path, item in document["paths"].items():
        for operation in (item[method] for method in METHODS if method in item):
            name = operation.get("operationId", path)
            for parameter in [*item.get("parameters", ()), *operation.get("parameters", ())]:
                parameter = _resolved(document, parameter)
                for _, values in _enumerations(document, parameter["schema"]):
                    found[api, name, (parameter["in"], parameter["name"])] = values
            if name in READ_EXACTLY:
                continue
            for content in operation.get("requestBody", {}).get("content", {}).values():
                for fields, values in _enumerations(document, content.get("schema", {})):
                    found[api, name, ("body", *fields)] = values
    return found


def _resolved(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in node:
        return node
    target = document
    for key in node["$ref"].removeprefix("#/").split("/"):
        target = target[key]
    return _resolved(document, target) | {key: value for key, value in node.items() if key != "$ref"}


def _enumerations(
    document: dict[str, Any], schema: dict[str, Any]
) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    schema = _resolved(document, schema)
    if "enum" in schema:
        yield (), tuple(schema["enum"])
    for name, child in schema.get("properties", {}).items():
        if not child.get("readOnly"):
            for fields, values in _enumerations(document, child):
                yield (name, *fields), values
    nested = [schema["items"]] if "items" in schema else []
    for child in [*nested, *schema.get("oneOf", ()), *schema.get("allOf", ())]:
        yield from _enumerations(document, child)


# --- senders ------------------------------------------------------------------------------------------------


def _json(response: Any) -> Any:
    assert response.status_code in (200, 207), response.text
    return response.json()


def _created_project(service: Service, version: str, **parameters: str) -> dict[str, Any]:
    parameters = {"name": "project", **parameters}
    settings: dict[str, Any] = _json(service.send("POST", "/projects", version, params=parameters))[
        "settings"
    ]
    return settings


def _updated_project(service: Service, version: str, **settings: Any) -> dict[str, Any]:
    body = {"name": "project", "settings": settings}
    updated: dict[str, Any] = _json(service.send("PATCH", service.project(), version, json=body))["settings"]
    return updated


def _status(service: Service, version: str, value: str) -> Any:
    body = {"name": "project", "status": value}
    return _json(service.send("PATCH", service.project(), version, json=body))["status"]


def _created_tag(service: Service, version: str, value: str) -> Any:
    project = _tag_project(service, value)
    response = service.send("POST", f"{project}/tags", version, params={"name": "tag", "type": value})
    return _json(response)["type"]


def _updated_tag(service: Service, version: str, value: str) -> Any:
    project = _tag_project(service, value)
    path = f"{project}/tags/{service.tag(project, 'tag')}"
    return _json(service.send("PATCH", path, version, json={"name": "tag", "type": value}))["type"]


def _tag_project(service: Service, value: str) -> str:
    products = value.strip().lower() == "generalproduct"
    return service.project(**({"domainId": PRODUCTS} if products else {}))


class _Cached:
    """What senders need and do not change, made once for each service."""

    def __init__(self, make: Callable[[Service], Any]) -> None:
        self._make = make
        self._made: tuple[Service, Any] | None = None

    def __call__(self, service: Service) -> Any:
        if self._made is None or self._made[0] is not service:
            self._made = service, self._make(service)
        return self._made[1]


@_Cached
def _images(service: Service) -> str:
    """A trained project with images with and without tags."""
    project, _, _ = service.trainable(domainId=COMPACT)
    service.images(project, pictures(3, "green"))
    service.train(project)
    return project


def _list(path: str, parameter: str, *, key: str = "id") -> Sender:
    """A list of images of a project, or of its iteration."""

    def send(service: Service, version: str, value: str) -> Any:
        project = _images(service)
        of = service.get(f"{project}/iterations")[0]["id"]
        whole = path.format(iteration=of)
        listed = _json(service.send("GET", f"{project}{whole}", version, params={parameter: value}))
        return [item[key] for item in listed] if isinstance(listed, list) else listed

    return send


def _trained(service: Service, version: str, value: str) -> Any:
    parameters = {"trainingType": value, "reservedBudgetInHours": "1", "forceTrain": "true"}
    started = _json(service.send("POST", f"{_images(service)}/train", version, params=parameters))
    service.finish_trainings()
    return started["trainingType"]


def _exported(parameter: str) -> Sender:
    def send(service: Service, version: str, value: str) -> Any:
        iteration = service.train(_images(service), params={"forceTrain": "true"})
        parameters = {"platform": value} if parameter == "platform" else _with_flavor(value)
        shown = _json(service.send("POST", f"{iteration}/export", version, params=parameters))
        service.finish_exports()
        return shown[parameter]

    return send


def _with_flavor(flavor: str) -> dict[str, str]:
    lowered = flavor.strip().lower()
    platforms = {name.lower(): platform for name, platform in _FLAVORED.items()}
    for platform in ("onnx", "tensorflow"):
        if lowered.startswith(platform):
            return {"platform": platform, "flavor": flavor}
    return {"platform": platforms[lowered], "flavor": flavor}


@_Cached
def _predicted(service: Service) -> str:
    project = service.project()
    for _ in range(3):
        insert(service, project, [{}])
        service.clock.advance(minutes=1)
    return project


def _queried_predictions(service: Service, version: str, value: str) -> Any:
    path = f"{_predicted(service)}/predictions/query"
    page = _json(service.send("POST", path, version, json={"orderBy": value}))
    return page["token"]["orderBy"], [item["id"] for item in page["results"]]


@_Cached
def _suggesting(service: Service) -> Suggesting:
    suggesting = Suggesting(service)
    suggesting.suggest()
    return suggesting


def _queried_suggestions(service: Service, version: str, value: str) -> Any:
    page = _json(_suggesting(service).asked("", {"sortBy": value}, version=version))
    return page["token"]["sortBy"], [item["id"] for item in page["results"]]


_insight = _Cached(insight.multiclass)


def _cell_images(what: str, parameter: str) -> Sender:
    def send(service: Service, version: str, value: str) -> Any:
        of = _insight(service)
        parameters = {"tagId": of.tags["red"], "outcome": "TruePositive", parameter: value}
        found = of.get(what, **parameters)
        return [item["id"] for item in found] if isinstance(found, list) else found

    return send


class _Evaluated:
    """Two iterations of the project of `_insight`, evaluated on a test set."""

    def __init__(self, service: Service) -> None:
        of = _insight(service)
        self.service, self.first = service, of.iteration
        self.sets = Sets(service, of.project)
        service.images(of.project, pictures(1, "grey"), of.tags["red"])
        self.second = service.train(of.project)
        self.path = self.sets.create()
        self.sets.add(self.path, pictures(2, "red", start=90), tagNames=["red"])
        self.sets.evaluate(self.path, self.first, self.second)
        self.outcome = {"tagId": of.tags["red"], "outcome": "TruePositive"}
        self.other = {"with": self.first.rsplit("/", 1)[1]}


_evaluated = _Cached(_Evaluated)


def _changed_images(service: Service, version: str, value: str) -> Any:
    of = _evaluated(service)
    parameters = {**of.other, "change": value}
    found = _json(service.request("GET", f"/_emulator{of.second}/comparison/images", params=parameters))
    return [image["id"] for image in found["images"]]


def _changed_test_images(service: Service, version: str, value: str) -> Any:
    of = _evaluated(service)
    found = of.sets.result(of.path, of.second, "/comparison/images", **of.other, change=value)
    return [image["id"] for image in found["images"]]


def _evaluations_as_csv(service: Service, version: str, value: str) -> Any:
    of = _evaluated(service)
    return of.sets.send("GET", f"{of.path}/evaluations.csv", params={"content": value}).text


def _evaluated_images(parameter: str) -> Sender:
    def send(service: Service, version: str, value: str) -> Any:
        of = _evaluated(service)
        chosen = of.outcome | {parameter: value}
        found = of.sets.result(of.path, of.second, "/images", **chosen)
        return [image["id"] for image in found["images"]]

    return send


def _imported_model(service: Service, version: str, value: str) -> Any:
    parameters = {"project": f"imported {len(service.get('/projects'))}", "classificationType": value}
    response = service.request("POST", "/_emulator/models", params=parameters, content=classifier_zip())
    return _json(response)["classificationType"]


def _imported_data_set(parameter: str) -> Sender:
    def send(service: Service, version: str, value: str) -> Any:
        sets = DataSets(service)
        name = f"imported {len(service.get('/projects'))}"
        if parameter == "format":
            return sets.imported({"cats/1.png": picture(1)}, name, dryRun="true", format=value)["format"]
        report = sets.added({"cats/1.png": picture(1)}, name, classificationType=value)
        return service.get(f"/projects/{report['projectId']}")["settings"]["classificationType"]

    return send


def _exported_data_set(service: Service, version: str, value: str) -> Any:
    """The format; of one that cannot hold images with several tags, or without boxes, the refusal."""
    parameters = {"format": value, "dryRun": "true"}
    path = f"/_emulator{_images(service)}/dataSet"
    body = service.request("GET", path, params=parameters).json()
    return body.get("format") or body["message"]


def _planned(path: str, kind: str, name: str) -> Sender:
    """A plan of a choreography."""

    def send(service: Service, version: str, value: str) -> Any:
        needed = {"afterpolls": {"polls": 3}, "afterseconds": {"seconds": 3}}
        if name == "states":
            plan = {"polls": 3, "states": [value]}
        else:
            plan = {"complete": value, **needed.get(value.strip().lower(), {})}
        whole = path.format(project=_images(service))
        return _json(service.request("PUT", f"/_emulator{whole}/choreography", json={kind: plan}))[kind][name]

    return send


def _requests_in_order(service: Service, version: str, value: str) -> Any:
    service.project()
    service.project()
    page = _json(service.request("GET", "/_emulator/requests", params={"order": value, "limit": "1"}))
    return page["requests"][0]["number"] == 1


def _usage_format(service: Service, version: str, value: str) -> Any:
    return service.request("GET", "/_emulator/usage", params={"format": value}).headers["content-type"]


def _echo(send: Callable[..., dict[str, Any]], name: str) -> Sender:
    return lambda service, version, value: send(service, version, **{name: value})[name]


SENDERS: dict[Place, Sender] = {
    ("training", "CreateProject", ("query", "classificationType")): _echo(
        _created_project, "classificationType"
    ),
    ("training", "CreateProject", ("query", "targetExportPlatforms")): _echo(
        _created_project, "targetExportPlatforms"
    ),
    ("training", "UpdateProject", ("body", "settings", "classificationType")): _echo(
        _updated_project, "classificationType"
    ),
    ("training", "UpdateProject", ("body", "settings", "targetExportPlatforms")): (
        lambda service, version, value: _updated_project(service, version, targetExportPlatforms=[value])[
            "targetExportPlatforms"
        ]
    ),
    ("training", "UpdateProject", ("body", "status")): _status,
    ("training", "CreateTag", ("query", "type")): _created_tag,
    ("training", "UpdateTag", ("body", "type")): _updated_tag,
    ("training", "GetTaggedImages", ("query", "orderBy")): _list("/images/tagged", "orderBy"),
    ("training", "GetUntaggedImages", ("query", "orderBy")): _list("/images/untagged", "orderBy"),
    ("training", "GetImages", ("query", "orderBy")): _list("/images", "orderBy"),
    ("training", "GetImages", ("query", "taggingStatus")): _list("/images", "taggingStatus"),
    ("training", "GetImageCount", ("query", "taggingStatus")): _list("/images/count", "taggingStatus"),
    ("training", "GetImagePerformances", ("query", "orderBy")): _list(
        "/iterations/{iteration}/performance/images", "orderBy"
    ),
    ("training", "TrainProject", ("query", "trainingType")): _trained,
    ("training", "ExportIteration", ("query", "platform")): _exported("platform"),
    ("training", "ExportIteration", ("query", "flavor")): _exported("flavor"),
    ("training", "QueryPredictions", ("body", "orderBy")): _queried_predictions,
    ("training", "QuerySuggestedImages", ("body", "sortBy")): _queried_suggestions,
    ("emulator", "ImportModel", ("query", "classificationType")): _imported_model,
    **{
        ("emulator", operation, ("body", kind, name)): _planned(path, kind, name)
        for operation, path in (("SetChoreography", ""), ("SetChoreographyOfProject", "{project}"))
        for kind in ("training", "export", "import")
        for name in ("complete", "states")
    },
    ("emulator", "ImportDataSet", ("query", "format")): _imported_data_set("format"),
    ("emulator", "ImportDataSet", ("query", "classificationType")): _imported_data_set("classificationType"),
    ("emulator", "ExportDataSet", ("query", "format")): _exported_data_set,
    ("emulator", "GetRequests", ("query", "order")): _requests_in_order,
    ("emulator", "GetUsage", ("query", "format")): _usage_format,
    ("emulator", "GetChangedImages", ("query", "change")): _changed_images,
    ("emulator", "GetChangedTestImages", ("query", "change")): _changed_test_images,
    ("emulator", "GetTestEvaluationsAsCsv", ("query", "content")): _evaluations_as_csv,
    ("emulator", "GetEvaluatedTestImages", ("query", "show")): _evaluated_images("show"),
    ("emulator", "GetEvaluatedTestImages", ("query", "outcome")): _evaluated_images("outcome"),
    ("emulator", "GetConfusionMatrixImages", ("query", "outcome")): _cell_images(
        "confusionMatrix/images", "outcome"
    ),
    ("emulator", "GetConfusionMatrixImages", ("query", "orderBy")): _cell_images(
        "confusionMatrix/images", "orderBy"
    ),
    ("emulator", "GetConfusionMatrixImageCount", ("query", "outcome")): _cell_images(
        "confusionMatrix/images/count", "outcome"
    ),
}
# Parts of paths that no client writes by hand: they come from responses.
IN_LINKS = frozenset({"GetImageBlob", "GetPredictionImageBlob", "GetOpenApiDocument"})


def all_places() -> Iterator[tuple[Place, str, tuple[str, ...]]]:
    """Place, version and values, of all documents."""
    for api, versions in VERSIONS.items():
        for version in versions:
            for place, values in places(api, version).items():
                if place[1] not in IN_LINKS:
                    yield place, version, values
