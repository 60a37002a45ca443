"""The claims of an installed official Python SDK about the contract, as flat pairs: {"subject": value}.

Operations are read from the source of the generated client, models from their maps. `document_claims.py`
derives the same subjects from a rendered document; a difference is an error in one of them.

``python -m tests.contract_chain.sdk_claims`` prints, for the first SDK on the path,
the client's address and its claims for "training" and "prediction", as JSON.
"""

import ast
import enum
import inspect
import json
import re
import textwrap
from collections.abc import Iterator
from types import ModuleType
from typing import Any

Claims = dict[str, Any]

_BOUNDS = ("minimum", "maximum", "min_items", "max_items")
_CLASS = re.compile(r"~[\w.]+\.models\.(\w+)")
_FIELD_TYPE = re.compile(r":(?:var)?type (\w+):((?:(?!\n\s*:).)*)", re.DOTALL)
_VALUES = re.compile(r"values\s+include:\s*((?:'[^']*'(?:,\s*)?)+)")
_PARAMETER = re.compile(r":param (\w+):((?:(?!\n\s*:).)*)", re.DOTALL)


def claims(mixin: type, models: ModuleType) -> Claims:
    """The claims of one generated client: its operations mixin and its package of models."""
    found: Claims = {}
    for name, function in inspect.getmembers(mixin, inspect.isfunction):
        if hasattr(function, "metadata"):
            found.update(_operation(pascal(name), function))
    classes = {name: item for name, item in vars(models).items() if isinstance(item, type)}
    shapes = {name: item for name, item in classes.items() if hasattr(item, "_attribute_map")}
    for name, item in classes.items():
        if issubclass(item, enum.Enum):
            found[f"{name} values"] = sorted(member.value for member in item)
    for name, shape in shapes.items():
        found.update(_model(name, shape, classes))
    found.update(_sent(found, shapes))
    return found


def pascal(name: str) -> str:
    """`create_images_from_urls` as the contract names the operation."""
    return "".join(word.capitalize() for word in name.split("_"))


def pascal_from_camel(name: str) -> str:
    """`createImagesFromUrls` as the contract names the operation."""
    return name[0].upper() + name[1:]


def _operation(name: str, function: Any) -> Claims:
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    documentation = inspect.getdoc(function) or ""
    signature = inspect.signature(function)
    url: str = function.metadata["url"]
    method = next(call.func.attr for call in _calls(tree, "_client") if call.func.attr in _METHODS)
    found: Claims = {name: f"{method.upper()} {url}"}
    values = {
        parameter: sorted(re.findall(r"'([^']*)'", match[1]))
        for parameter, text in _PARAMETER.findall(documentation)
        if (match := _VALUES.search(text))
    }
    for call in _calls(tree, "_serialize"):
        python_name, _, kind = (ast.unparse(argument) for argument in call.args[:3])
        python_name, kind = python_name.strip("'"), kind.strip("'")
        if call.func.attr == "url" and not python_name.startswith("self."):
            key = next(
                key for key in re.findall(r"{(\w+)}", url) if key.lower() == python_name.replace("_", "")
            )
            found[f"{name} path {key}"] = kind
        elif call.func.attr == "query":
            subject = f"{name} query {_key_of(tree, call)}"
            bounds = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
            default = signature.parameters[python_name].default
            found[subject] = kind
            found[f"{subject} required"] = default is inspect.Parameter.empty
            found[f"{subject} bounds"] = {key: bounds[key] for key in _BOUNDS if key in bounds}
            found[f"{subject} values"] = values.get(python_name, [])
            if default not in (inspect.Parameter.empty, None):
                found[f"{subject} default"] = default
    found.update(_body(name, tree))
    found.update(_answers(name, tree))
    return found


_METHODS = ("get", "post", "put", "patch", "delete")


def _calls(tree: ast.AST, owner: str) -> Iterator[Any]:
    """Calls of methods of `self.<owner>`."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and ast.unparse(node.func.value) == f"self.{owner}"
            and node.func.attr != "body"
        ):
            yield node


def _key_of(tree: ast.AST, call: ast.Call) -> str:
    """The key under which the result of `call` is put into a dictionary."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and node.value is call and isinstance(node.targets[0], ast.Subscript):
            key: str = ast.literal_eval(node.targets[0].slice)
            return key
    raise AssertionError(f"{ast.unparse(call)} is put nowhere")


def _body(name: str, tree: ast.AST) -> Claims:
    source = ast.unparse(tree)
    if "form_content" in source:
        return {f"{name} body": "form", f"{name} body required": True}
    match = re.search(r"self\._serialize\.body\(\w+, '([^']+)'\)", source)
    if match is None:
        return {}
    return {f"{name} body": match[1], f"{name} body required": "body_content = None" not in source}


def _answers(name: str, tree: ast.AST) -> Claims:
    source = ast.unparse(tree)
    accepted = re.search(r"status_code not in (\[[\d, ]+\])", source)
    assert accepted is not None
    kinds = dict(re.findall(r"status_code == (\d+):\s+deserialized = self\._deserialize\('([^']+)'", source))
    otherwise = "bytes" if "stream_download" in source else "nothing"
    return {
        f"{name} answer {status}": kinds.get(str(status), otherwise)
        for status in ast.literal_eval(accepted[1])
    }


def _model(name: str, shape: Any, classes: dict[str, type]) -> Claims:
    found: Claims = {}
    classes_of_fields = {
        field: [item for item in _CLASS.findall(text) if issubclass(classes[item], enum.Enum)]
        for field, text in _FIELD_TYPE.findall(inspect.getdoc(shape) or "")
    }
    for field, entry in shape._attribute_map.items():
        rules = shape._validation.get(field, {})
        subject = f"{name}.{entry['key']}"
        found[subject] = entry["type"]
        found[f"{subject} read-only"] = rules.get("readonly", False)
        found[f"{subject} values"] = (classes_of_fields.get(field) or [None])[0]
        if rules.get("required"):
            found[f"{subject} present"] = True
    return found


def _sent(found: Claims, shapes: dict[str, Any]) -> Claims:
    """The fields of request bodies: those that clients may set and those that they require."""
    waiting = [value for subject, value in found.items() if subject.endswith(" body")]
    reached: set[str] = set()
    while waiting:
        name = waiting.pop().strip("[]{}")
        if name in shapes and name not in reached:
            reached.add(name)
            waiting.extend(entry["type"] for _, entry in _writable(shapes[name]))
    sent: Claims = {}
    for name in reached:
        shape = shapes[name]
        sent[f"{name} as sent"] = sorted(entry["key"] for _, entry in _writable(shape))
        sent[f"{name} as sent, required"] = sorted(
            entry["key"]
            for field, entry in _writable(shape)
            if shape._validation.get(field, {}).get("required")
        )
    return sent


def _writable(shape: Any) -> list[tuple[str, dict[str, str]]]:
    return [
        (field, entry)
        for field, entry in shape._attribute_map.items()
        if not shape._validation.get(field, {}).get("readonly")
    ]


def main() -> None:
    from azure.cognitiveservices.vision.customvision import prediction, training
    from azure.cognitiveservices.vision.customvision.prediction import models as prediction_models
    from azure.cognitiveservices.vision.customvision.training import models as training_models

    from tests.sdk.clients import make_client

    clients = {
        "training": (training.CustomVisionTrainingClient, training_models),
        "prediction": (prediction.CustomVisionPredictionClient, prediction_models),
    }
    said = {
        api: {
            "address": make_client(kind, api, "http://127.0.0.1:1", "key").config.base_url,
            "claims": claims(kind, models),
        }
        for api, (kind, models) in clients.items()
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main()
