"""The documents for schemathesis: for each version of the Training API one that also has the Prediction API.

They are the documents of `api_spec/`, merged so that a sequence of calls can lead from a project to a
prediction. schemathesis infers links between operations from ids in responses; other links are declared here.
"""

from typing import Any

from tests.contract_chain.spec import METHODS, VERSIONS, render

# The Prediction API that clients used together with each version.
_PREDICTION = {"3.0": "3.0", "3.1": "3.0"}
_NEWEST_PREDICTION = VERSIONS["prediction"][-1]
CONTROL = "emulator"
RUNS = (*VERSIONS["training"], CONTROL)

Document = dict[str, Any]


def document(run: str) -> Document:
    """The document for `run` (a version of the Training API, or CONTROL); paths begin at the host."""
    if run == CONTROL:
        return render(CONTROL, VERSIONS[CONTROL][-1])
    training = _from_the_host(render("training", run), f"/customvision/v{run}/training")
    version = _PREDICTION.get(run, _NEWEST_PREDICTION)
    prediction = _from_the_host(render("prediction", version), f"/customvision/v{version}/prediction")
    return _lenient(_with_links(_joined(training, _renamed(prediction))))


def names(made: Document) -> set[str]:
    """The names of all operations of a document."""
    return {operation["operationId"] for operation in _operations(made)}


def _from_the_host(made: Document, prefix: str) -> Document:
    made["paths"] = {prefix + path: item for path, item in made["paths"].items()}
    made["servers"] = [{"url": "/"}]
    # Both documents have it at their root, for different keys.
    security = made.pop("security")
    for operation in _operations(made):
        operation.setdefault("security", security)
    return made


def _renamed(made: Any) -> Any:
    """The document with the prefix ``prediction.`` for the name of every component, except the keys."""
    if isinstance(made, list):
        return [_renamed(item) for item in made]
    if not isinstance(made, dict):
        return made
    renamed = {key: _renamed(value) for key, value in made.items()}
    if isinstance(reference := made.get("$ref"), str):
        path, _, name = reference.rpartition("/")
        renamed["$ref"] = f"{path}/prediction.{name}"
    if "securitySchemes" in made:
        for kind in made.keys() - {"securitySchemes"}:
            renamed[kind] = {f"prediction.{name}": value for name, value in renamed[kind].items()}
    return renamed


def _joined(first: Document, second: Document) -> Document:
    first["paths"].update(second["paths"])
    first["tags"] += second["tags"]
    for kind, components in second["components"].items():
        first["components"].setdefault(kind, {}).update(components)
    return first


_PUBLISHED = {"projectId": "$request.path.projectId", "publishedName": "$request.query.publishName"}
_ITERATION = {"projectId": "$request.path.projectId", "iterationId": "$request.path.iterationId"}
# From an operation, to another, and the sources of its parameters.
_LINKS = (
    *(
        ("PublishIteration", f"{kind}Image{suffix}", _PUBLISHED)
        for kind in ("Classify", "Detect")
        for suffix in ("", "WithNoStore", "Url", "UrlWithNoStore")
    ),
    ("PublishIteration", "UnpublishIteration", _ITERATION),
    ("PublishIteration", "DeleteIteration", _ITERATION),
    ("UnpublishIteration", "DeleteIteration", _ITERATION),
    *(
        (
            "TrainProject",
            target,
            {"projectId": "$response.body#/projectId", "iterationId": "$response.body#/id"},
        )
        for target in (
            "GetIteration",
            "PublishIteration",
            "UpdateIteration",
            "DeleteIteration",
            "ExportIteration",
        )
    ),
    ("ExportProject", "ImportProject", {"token": "$response.body#/token"}),
    (
        "GetImages",
        "GetArtifact",
        {"projectId": "$request.path.projectId", "path": "$response.body#/0/originalImageUri"},
    ),
)


def _with_links(made: Document) -> Document:
    by_name = {operation["operationId"]: operation for operation in _operations(made)}
    for source, target, parameters in _LINKS:
        if source in by_name and target in by_name:
            responses = by_name[source]["responses"]
            success = responses["200"] = dict(responses.get("200") or responses["204"])
            links = success.setdefault("links", {})
            links[target] = {"operationId": target, "parameters": parameters}
    return made


# Properties without which the service refuses a batch, although its documents do not require them.
_REQUIRED = {
    "ImageFileCreateBatch": ("images",),
    "ImageUrlCreateBatch": ("images",),
    "ImageIdCreateBatch": ("images",),
    "ImageIdCreateEntry": ("id",),
    "ImageTagCreateBatch": ("tags",),
    "ImageTagCreateEntry": ("imageId", "tagId"),
    "ImageRegionCreateBatch": ("regions",),
    "ImageRegionCreateEntry": ("imageId", "tagId", "left", "top", "width", "height"),
}


def _lenient(made: Document) -> Document:
    """Correct the document where the service accepts more or less than it states.

    An optional property, parameter or body may be null or empty, which is equal to its absence. A required
    parameter may not be empty. Bodies may have a number or boolean where a text is expected. Responses are
    checked against the original documents: see `hooks.contract`.
    """
    schemas = made["components"]["schemas"]
    for schema_name, names in _REQUIRED.items():
        schemas[schema_name]["required"] = list(names)
        for name, value in schemas[schema_name]["properties"].items():
            if name in names and value.get("type") == "array":
                value["minItems"] = 1
    # Clients send back the entire project; properties that cannot be changed are ignored.
    schemas["ProjectUpdate"]["properties"].pop("status", None)
    for schema_name, schema in schemas.items():
        for name, value in schema.get("properties", {}).items():
            if not schema_name.endswith("ImageUrl"):  # a number as the only URL of a request is refused
                schema["properties"][name] = value = _read_leniently(value)
            if name not in schema.get("required", ()):
                marks = {"readOnly": True} if value.get("readOnly") else {}
                empty = _EMPTY if _is_text_of_a_form(value, schemas) else ()
                schema["properties"][name] = {"anyOf": [value, {"type": "null"}, *empty], **marks}
    operations = _operations(made)
    for operation in operations:
        body = operation.get("requestBody", {"required": True})
        if not body.get("required"):
            for content in body["content"].values():
                content["schema"] = {"anyOf": [content["schema"], {"type": "null"}]}
    parameters = [parameter for operation in operations for parameter in operation.get("parameters", ())]
    for parameter in (*made["components"]["parameters"].values(), *parameters):
        schema = parameter.get("schema", {})
        if parameter.get("in") != "query" or schema.get("type") == "array":
            continue
        if not parameter.get("required"):
            parameter["schema"] = {"anyOf": [schema, *_EMPTY]}
        elif schema.get("type") == "string":
            parameter["schema"] = {**schema, "minLength": 1}
    return made


_EMPTY = ({"type": "string", "maxLength": 0},)


def _is_text_of_a_form(schema: Document, schemas: Document) -> bool:
    """True for texts of a limited set: ids, times, enumerations."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    return "string" in schema.get("type", ()) and ("enum" in schema or "format" in schema)


# What the service's reader converts to a type, if it has the right form.
_CONVERTED = {
    "string": {"number", "boolean"},
    "number": {"string"},
    "integer": {"string"},
    "boolean": {"string", "number"},
}


def _read_leniently(schema: Document) -> Document:
    """The schema of a property of a body, with the types that are converted to its own."""
    if isinstance(schema.get("additionalProperties"), dict):
        return {**schema, "additionalProperties": _read_leniently(schema["additionalProperties"])}
    if "type" not in schema or schema.keys() & {"enum", "pattern"}:
        return schema
    types = {schema["type"]} if isinstance(schema["type"], str) else set(schema["type"])
    if "string" in types and "format" in schema:
        return schema
    more = set().union(*(_CONVERTED.get(one, set()) for one in types)) - types
    return {"anyOf": [schema, {"type": sorted(more)}]} if more else schema


def _operations(made: Document) -> list[dict[str, Any]]:
    return [item[method] for item in made["paths"].values() for method in METHODS if method in item]
