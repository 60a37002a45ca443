"""The claims of a rendered document about the contract, in the form of `sdk_claims.py`."""

import re
from typing import Any

from tests.contract_chain.sdk_claims import Claims

Schema = dict[str, Any]

_BOUNDS = {"minimum": "minimum", "maximum": "maximum", "minItems": "min_items", "maxItems": "max_items"}

# Names of the simple types in the clients of a language, by type, or by format where that has its own name.
PYTHON = {"integer": "int", "number": "float", "boolean": "bool", "string": "str"}
JAVASCRIPT = {"integer": "number", "number": "number", "boolean": "bool", "string": "str", "uuid": "uuid"}


class DocumentClaims:
    """Reads one rendered document of the training or the prediction API.

    `words`: PYTHON or JAVASCRIPT, whose names of types the claims use.
    """

    def __init__(self, document: dict[str, Any], words: dict[str, str] = PYTHON) -> None:
        self.document = document
        self.words = words
        self.schemas: dict[str, Schema] = document["components"]["schemas"]

    def claims(self) -> Claims:
        found: Claims = {}
        for path, item in self.document["paths"].items():
            for method, operation in item.items():
                found.update(self._operation(path, method, operation))
        for name, schema in self.schemas.items():
            if "x-not-in-clients" in schema or "x-client-model" in schema:
                continue
            if "enum" in schema:
                found[f"{name} values"] = sorted(schema["enum"])
            else:
                found.update(self._model(name, schema))
        found.update(self._sent())
        return found

    def _operation(self, path: str, method: str, operation: dict[str, Any]) -> Claims:
        name = operation["operationId"]
        found: Claims = {name: f"{method.upper()} {path}"}
        for parameter in operation.get("parameters", []):
            parameter = self._resolved(parameter)
            schema = parameter["schema"]
            subject = f"{name} {parameter['in']} {parameter['name']}"
            found[subject] = self._kind(schema)
            if parameter["in"] != "query":
                continue
            values = self._resolved(schema.get("items", schema))
            found[f"{subject} required"] = parameter.get("required", False)
            found[f"{subject} bounds"] = {
                _BOUNDS[key]: value for key, value in self._resolved(schema).items() if key in _BOUNDS
            }
            # The SDK gives no values for lists.
            found[f"{subject} values"] = [] if "items" in schema else sorted(values.get("enum", []))
            if "default" in schema:
                found[f"{subject} default"] = schema["default"]
        found.update(self._body(name, operation.get("requestBody")))
        for status, response in operation["responses"].items():
            if re.fullmatch(r"2\d\d", status):
                found[f"{name} answer {status}"] = self._answer(response.get("content", {}))
        return found

    def _body(self, name: str, body: dict[str, Any] | None) -> Claims:
        if body is None:
            return {}
        content = body["content"]
        json = content.get("application/json")
        return {
            f"{name} body": self._kind(json["schema"]) if json else "form",
            f"{name} body required": body.get("required", False),
        }

    def _answer(self, content: dict[str, Any]) -> str:
        if not content:
            return "nothing"
        return self._kind(content["application/json"]["schema"]) if "application/json" in content else "bytes"

    def _model(self, name: str, schema: Schema) -> Claims:
        found: Claims = {}
        for key, field in schema["properties"].items():
            subject = f"{name}.{key}"
            found[subject] = self._kind(field)
            found[f"{subject} read-only"] = field.get("readOnly", False)
            found[f"{subject} values"] = self._enumeration(field)
            if key in schema.get("required", []):
                found[f"{subject} present"] = True
        return found

    def _sent(self) -> Claims:
        waiting: list[Any] = [
            operation["requestBody"]
            for item in self.document["paths"].values()
            for operation in item.values()
            if "requestBody" in operation
        ]
        reached: set[str] = set()
        while waiting:
            node = waiting.pop()
            if isinstance(node, list):
                waiting.extend(node)
            elif isinstance(node, dict):
                waiting.extend(node.values())
                name = self._name(node)
                if name is not None and name not in reached:
                    reached.add(name)
                    waiting.append(self.schemas[name])
        sent: Claims = {}
        for name in reached:
            schema = self.schemas[name]
            if "properties" not in schema or "x-not-in-clients" in schema:
                continue
            client = schema.get("x-client-model", name)
            writable = [key for key, field in schema["properties"].items() if not field.get("readOnly")]
            required: list[str] = schema.get("x-client-required") or schema.get("required") or []
            sent[f"{client} as sent"] = sorted(writable)
            sent[f"{client} as sent, required"] = sorted(set(required) & set(writable))
        return sent

    def _name(self, schema: Schema) -> str | None:
        reference = schema.get("$ref", "")
        kind, _, name = reference.removeprefix("#/components/").partition("/")
        return name if kind == "schemas" else None

    def _resolved(self, node: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in node:
            return node
        kind, _, name = node["$ref"].removeprefix("#/components/").partition("/")
        rest = {key: value for key, value in node.items() if key != "$ref"}
        return {**self.document["components"][kind][name], **rest}

    def _enumeration(self, schema: Schema) -> str | None:
        for candidate in (schema, *schema.get("oneOf", [])):
            name = self._name(candidate)
            if (
                name is not None
                and "enum" in self.schemas[name]
                and "x-not-in-clients" not in self.schemas[name]
            ):
                client: str = self.schemas[name].get("x-client-model", name)
                return client
        return None

    def _kind(self, schema: Schema) -> str:
        """The type of `schema` as the SDK writes it: `str`, `[Tag]`, `{int}`, `iso-8601`, `Project`."""
        name = self._name(schema)
        if name is not None:
            target = self.schemas[name]
            if "x-client-model" in target and "enum" not in target:
                client: str = target["x-client-model"]
                return client
            if "properties" in target:
                return name
            return self._kind(target)
        for alternative in schema.get("oneOf", []):
            if alternative != {"type": "null"}:
                return self._kind(alternative)
        kind = schema["type"]
        if isinstance(kind, list):
            kind = next(item for item in kind if item != "null")
        if kind == "array":
            return f"[{self._kind(schema['items'])}]"
        if kind == "object":
            return f"{{{self._kind(schema['additionalProperties'])}}}"
        if schema.get("format", "").startswith("date-time"):
            return "iso-8601"
        if schema.get("contentEncoding") == "base64":
            return "bytearray"
        return self.words.get(schema.get("format", ""), self.words[kind])
