"""The claims of an installed official JavaScript SDK, in the form of `sdk_claims.py`.

`../sdk/javascript/claims.mjs` takes the specifications of operations and the mappers of models out of the
running SDK; enumerations are read from its TypeScript declarations, the only place that has them. The SDK
distinguishes GUIDs from other text, but not integers from other numbers; claims use its names of types
(`document_claims.JAVASCRIPT`).
"""

import re
from typing import Any

from tests.contract_chain.sdk_claims import Claims, pascal_from_camel

_KINDS = {
    "Base64Url": "bytearray",
    "Boolean": "bool",
    "ByteArray": "bytearray",
    "DateTime": "iso-8601",
    "Number": "number",
    "Stream": "bytes",
    "String": "str",
    "Uuid": "uuid",
}
# `export` is a reserved word in JavaScript.
_RENAMED = {"ExportModel": "Export"}
_BOUNDS = {
    "InclusiveMinimum": "minimum",
    "InclusiveMaximum": "maximum",
    "MinItems": "min_items",
    "MaxItems": "max_items",
}
_INTERFACE = re.compile(r"^export interface (\w+)(?: extends [\w., ]+)? {\n(.*?)^}", re.DOTALL | re.MULTILINE)
_FIELD = re.compile(r"^    (?:readonly )?(\w+|\"[^\"]+\")\??: (.+);$", re.MULTILINE)
_ENUMERATION = re.compile(r"^export declare type (\w+) = ('[^;]*');$", re.MULTILINE)
_METHOD = re.compile(r"^    (\w+)\(([^)]*)\): Promise<", re.MULTILINE)


class JavaScriptClaims:
    """The claims of one client; `dumped` is the output of `claims.mjs`."""

    def __init__(self, dumped: dict[str, Any]) -> None:
        self.operations: dict[str, Any] = dumped["operations"]
        self.mappers: dict[str, Any] = dumped["mappers"]
        self.enumerations = {
            name: sorted(re.findall(r"'([^']*)'", values))
            for name, values in _ENUMERATION.findall(dumped["types"])
        }
        self.interfaces = {
            name: {field.strip('"'): kind for field, kind in _FIELD.findall(body)}
            for name, body in _INTERFACE.findall(dumped["types"])
        }
        # The first declaration of a method has all its arguments but the callback.
        self.arguments: dict[str, dict[str, str]] = {}
        for name, arguments in _METHOD.findall(dumped["types"]):
            pairs = (argument.partition(":")[::2] for argument in arguments.split(", ") if argument)
            kinds = {argument.rstrip("?"): kind.strip() for argument, kind in pairs}
            self.arguments.setdefault(name, kinds)

    def claims(self) -> Claims:
        found: Claims = {}
        for name, specification in self.operations.items():
            found.update(self._operation(name, specification))
        for name, mapper in self.mappers.items():
            found.update(self._model(name, mapper["type"]["modelProperties"]))
        named = {value for subject, value in found.items() if "." in subject and subject.endswith(" values")}
        for name in named - {None}:
            found[f"{name} values"] = self.enumerations[name]
        found.update(self._sent())
        return found

    def _operation(self, method_name: str, specification: dict[str, Any]) -> Claims:
        name = pascal_from_camel(method_name)
        found: Claims = {name: f"{specification['httpMethod']} /{specification['path']}"}
        for parameter in specification["urlParameters"]:
            mapper = parameter["mapper"]
            if mapper["serializedName"] != "Endpoint":
                found[f"{name} path {mapper['serializedName']}"] = self._kind(mapper)
        for parameter in specification.get("queryParameters", []):
            mapper = parameter["mapper"]
            subject = f"{name} query {mapper['serializedName']}"
            constraints = mapper.get("constraints", {})
            found[subject] = self._kind(mapper)
            found[f"{subject} required"] = mapper.get("required", False)
            found[f"{subject} bounds"] = {_BOUNDS[key]: value for key, value in constraints.items()}
            found[f"{subject} values"] = self._values(method_name, parameter["parameterPath"])
            if "defaultValue" in mapper:
                found[f"{subject} default"] = mapper["defaultValue"]
        if "formDataParameters" in specification:
            found |= {f"{name} body": "form", f"{name} body required": True}
        elif "requestBody" in specification:
            mapper = specification["requestBody"]["mapper"]
            found[f"{name} body"] = self._kind(mapper)
            found[f"{name} body required"] = mapper.get("required", False)
        for status, answer in specification["responses"].items():
            if status != "default":
                mapper = answer.get("bodyMapper")
                found[f"{name} answer {status}"] = self._kind(mapper) if mapper else "nothing"
        return found

    def _values(self, method_name: str, argument: str | list[str]) -> list[str]:
        """The allowed values of an argument of a method; empty when any value is allowed."""
        if isinstance(argument, str):
            kind = self.arguments[method_name][argument].removeprefix("Models.")
        else:
            options = self.arguments[method_name]["options"].removeprefix("Models.")
            kind = self.interfaces[options][argument[-1]]
        return self.enumerations.get(kind, [])

    def _model(self, name: str, fields: dict[str, Any]) -> Claims:
        found: Claims = {}
        for field, mapper in fields.items():
            subject = f"{_RENAMED.get(name, name)}.{mapper['serializedName']}"
            # The type of a map spans several lines and is skipped: a map has no values of an enumeration.
            kind = self.interfaces[name].get(field, "").removesuffix("[]")
            found[subject] = self._kind(mapper)
            found[f"{subject} read-only"] = mapper.get("readOnly", False)
            found[f"{subject} values"] = kind if kind in self.enumerations else None
            if mapper.get("required"):
                found[f"{subject} present"] = True
        return found

    def _sent(self) -> Claims:
        bodies = (item["requestBody"]["mapper"] for item in self.operations.values() if "requestBody" in item)
        waiting = list(bodies)
        reached: set[str] = set()
        while waiting:
            kind = waiting.pop()["type"]
            inner = kind.get("element") or kind.get("value")
            if inner is not None:
                waiting.append(inner)
            elif kind["name"] == "Composite" and kind["className"] not in reached:
                reached.add(kind["className"])
                waiting.extend(self._writable(kind["className"]))
        sent: Claims = {}
        for name in reached:
            fields = self._writable(name)
            required = [item["serializedName"] for item in fields if item.get("required")]
            sent[f"{name} as sent"] = sorted(item["serializedName"] for item in fields)
            sent[f"{name} as sent, required"] = sorted(required)
        return sent

    def _writable(self, name: str) -> list[dict[str, Any]]:
        fields: dict[str, dict[str, Any]] = self.mappers[name]["type"]["modelProperties"]
        return [mapper for mapper in fields.values() if not mapper.get("readOnly")]

    def _kind(self, mapper: dict[str, Any]) -> str:
        kind = mapper["type"]
        if kind["name"] == "Composite":
            name: str = kind["className"]
            return _RENAMED.get(name, name)
        if kind["name"] == "Sequence":
            return f"[{self._kind(kind['element'])}]"
        if kind["name"] == "Dictionary":
            return f"{{{self._kind(kind['value'])}}}"
        return _KINDS[kind["name"]]
