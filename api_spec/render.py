"""Renders the contract: one plain OpenAPI 3.1 document for one API and one version of it.

    python api_spec/render.py training 3.3            # YAML on stdout
    python api_spec/render.py prediction 3.1 --json
    python api_spec/render.py --all                   # what the emulator serves: emulator/contract/documents/

`training.yaml`, `prediction.yaml` and `emulator.yaml` are the roots of the source. They hold all versions at
once; marks say what belongs to which (README.md lists them). Needs PyYAML and nothing of the emulator.
"""

import argparse
import copy
import gzip
import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

import yaml

VERSIONS: dict[str, tuple[str, ...]] = {
    "training": ("3.0", "3.1", "3.2", "3.3", "3.4-preview"),
    "prediction": ("3.0", "3.1"),
    "emulator": ("1",),
}
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")

_SOURCE = Path(__file__).resolve().parent
_MARKS = ("x-since", "x-until")
# The safe loader in C where PyYAML was built with it: ten times as fast.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DROPPED: Any = object()


class SpecError(Exception):
    """The source contradicts itself or names something that is not there."""


def render(api: str, version: str) -> dict[str, Any]:
    """The OpenAPI document of `version` ("3.4-preview") of `api` ("training", "prediction", "emulator").

    The caller owns the result. Raises SpecError for an unknown API or version.
    """
    return copy.deepcopy(_render(api, version))


@cache
def _render(api: str, version: str) -> dict[str, Any]:
    if version not in VERSIONS.get(api, ()):
        known = ", ".join(f"{name} {'|'.join(versions)}" for name, versions in VERSIONS.items())
        raise SpecError(f"there is no {api} {version}; known: {known}")
    document: dict[str, Any] = _Selection(api, version).of(_merged(api))
    document["info"]["version"] = version
    for server in document.get("servers", []):
        server["url"] = server["url"].replace("{version}", version)
    _complete_operations(document)
    _drop_unused_components(document)
    return document


def _merged(api: str) -> dict[str, Any]:
    """The root file of `api` with the paths and components of the files that it includes."""
    root = _load(f"{api}.yaml")
    for name in root.pop("x-include", []):
        part = _load(name)
        _add(root.setdefault("paths", {}), part.get("paths", {}), name)
        for kind, components in part.get("components", {}).items():
            _add(root.setdefault("components", {}).setdefault(kind, {}), components, name)
    return root


def _load(name: str) -> dict[str, Any]:
    with (_SOURCE / name).open(encoding="utf-8") as file:
        loaded: dict[str, Any] = yaml.load(file, Loader=_LOADER)  # noqa: S506
    return loaded


def _add(target: dict[str, Any], more: dict[str, Any], name: str) -> None:
    twice = target.keys() & more.keys()
    if twice:
        raise SpecError(f"{name} defines again: {', '.join(sorted(twice))}")
    target.update(more)


class _Selection:
    """What one version of one API has of the source."""

    def __init__(self, api: str, version: str) -> None:
        self.api = api
        self.version = version

    def of(self, node: Any) -> Any:
        """`node` as this version has it, or _DROPPED."""
        if isinstance(node, dict):
            return self._mapping(node) if self._has(node) else _DROPPED
        if isinstance(node, list):
            items = [self.of(item) for item in node]
            return [item for item in items if item is not _DROPPED]
        return node

    def _has(self, node: dict[str, Any]) -> bool:
        rank = self._rank(self.version)
        since, until = (node.get(mark, "") for mark in _MARKS)
        if isinstance(since, dict):
            if self.api not in since:
                return False
            since = since[self.api]
        if isinstance(until, dict):
            until = until.get(self.api, "")
        return (not since or self._rank(since) <= rank) and (not until or rank <= self._rank(until))

    def _rank(self, version: str) -> int:
        try:
            return VERSIONS[self.api].index(version)
        except ValueError:
            raise SpecError(f"a mark names {self.api} {version}, which does not exist") from None

    def _mapping(self, node: dict[str, Any]) -> Any:
        if "value" in node and set(node) <= {"value", *_MARKS}:
            return node["value"]
        selected = {
            key: value
            for key, value in ((key, self.of(value)) for key, value in node.items() if key not in _MARKS)
            if value is not _DROPPED
        }
        for alternative in selected.pop("x-by-version", [])[:1]:
            selected.update(alternative)
        if "properties" in node and isinstance(node.get("required"), list):
            lost = node["properties"].keys() - selected["properties"].keys()
            selected["required"] = [name for name in selected["required"] if name not in lost]
            if not selected["required"]:
                del selected["required"]
        order = selected.pop("x-order", {}).get(self.version)
        if order:
            if set(order) != set(selected["properties"]):
                raise SpecError(f"x-order of {self.version} does not name the properties it orders: {order}")
            selected["properties"] = {name: selected["properties"][name] for name in order}
        return selected


def _complete_operations(document: dict[str, Any]) -> None:
    """Gives every operation the responses, and every answer of its own the headers, that all have."""
    common = document.pop("x-every-operation", {})
    for item in document["paths"].values():
        for method in METHODS:
            if method not in item:
                continue
            for response in item[method]["responses"].values():
                if "$ref" not in response and common.get("headers"):
                    response["headers"] = {**common["headers"], **response.get("headers", {})}
            shared = common.get("responses", {})
            if item[method].get("security"):
                shared = {**shared, **common.get("responses-with-key", {})}
            for status, response in shared.items():
                item[method]["responses"].setdefault(status, response)
    document["paths"] = {path: item for path, item in document["paths"].items() if _operations(item)}


def _operations(item: dict[str, Any]) -> bool:
    return any(method in item for method in METHODS)


def _drop_unused_components(document: dict[str, Any]) -> None:
    """Keeps the components that some path needs, directly or through others."""
    components: dict[str, dict[str, Any]] = document.get("components", {})
    needed: set[tuple[str, str]] = set()
    waiting: list[Any] = [document["paths"]]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, dict):
            waiting.extend(node.values())
            reference = node.get("$ref")
            if isinstance(reference, str):
                kind, name = reference.removeprefix("#/components/").split("/")
                if name not in components.get(kind, {}):
                    raise SpecError(f"{reference} is not there in {document['info']['version']}")
                if (kind, name) not in needed:
                    needed.add((kind, name))
                    waiting.append(components[kind][name])
    for kind in [kind for kind in components if kind != "securitySchemes"]:
        kept = {name: value for name, value in components[kind].items() if (kind, name) in needed}
        if kept:
            components[kind] = kept
        else:
            del components[kind]


SERVED = _SOURCE.parent / "emulator" / "contract" / "documents"


def plain_json(api: str, version: str) -> bytes:
    """The document as the emulator serves it: compact JSON."""
    return json.dumps(render(api, version), separators=(",", ":"), ensure_ascii=False).encode()


def write_served(folder: Path = SERVED) -> None:
    """Write every document, compressed, to where the emulator finds it; files of no version are removed."""
    folder.mkdir(exist_ok=True)
    names = {f"{api}-{version}.json.gz": (api, version) for api in VERSIONS for version in VERSIONS[api]}
    for file in folder.glob("*.json.gz"):
        if file.name not in names:
            file.unlink()
    for name, (api, version) in names.items():
        text = plain_json(api, version)
        file = folder / name
        if not file.exists() or gzip.decompress(file.read_bytes()) != text:  # else nothing has changed
            file.write_bytes(gzip.compress(text, mtime=0))


def main() -> int:
    """The command line; answers the exit code."""
    parser = argparse.ArgumentParser(description="Print the OpenAPI document of one API version.")
    parser.add_argument("api", choices=VERSIONS, nargs="?")
    parser.add_argument("version", nargs="?", help="for example 3.3 or 3.4-preview")
    parser.add_argument("--json", action="store_true", help="JSON instead of YAML")
    parser.add_argument("--all", action="store_true", help="write all documents that the emulator serves")
    arguments = parser.parse_args()
    if not arguments.all and arguments.version is None:
        parser.error("name an API and a version, or give --all")
    try:
        if arguments.all:
            write_served()
            return 0
        document = render(arguments.api, arguments.version)
    except SpecError as error:
        print(f"render.py: {error}", file=sys.stderr)
        return 2
    document = json.loads(json.dumps(document))  # what operations share is written out for each
    if arguments.json:
        print(json.dumps(document, indent=2))
    else:
        print(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
