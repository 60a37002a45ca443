"""The claims of Microsoft's Swagger documents, in the form of `sdk_claims.py`.

Official SDKs are generated from these documents. They cover the versions that no SDK covers.
"""

from typing import Any

from tests.contract_chain.sdk_claims import Claims

_BOUNDS = {"minimum": "minimum", "maximum": "maximum", "minItems": "min_items", "maxItems": "max_items"}
_SIMPLE = {"integer": "int", "number": "float", "boolean": "bool", "string": "str"}
_FORMATS = {"date-time": "iso-8601", "byte": "bytearray"}


class OfficialClaims:
    """Reads one Swagger document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.models = {
            name: schema for name, schema in document["definitions"].items() if "properties" in schema
        }

    def claims(self) -> Claims:
        found: Claims = {}
        for path, item in self.document["paths"].items():
            for method, operation in item.items():
                found.update(self._operation(method, path, operation))
        for name, schema in self.models.items():
            found.update(self._model(name, schema))
        found.update(self._sent())
        return found

    def _operation(self, method: str, path: str, operation: dict[str, Any]) -> Claims:
        name = operation["operationId"]
        found: Claims = {name: f"{method.upper()} {path}"}
        for parameter in operation.get("parameters", []):
            parameter = self._resolved(parameter)
            subject = f"{name} {parameter['in']} {parameter['name']}"
            if parameter["in"] == "path":
                found[subject] = self._kind(parameter)
            elif parameter["in"] == "query":
                found[subject] = self._kind(parameter)
                found[f"{subject} required"] = parameter.get("required", False)
                found[f"{subject} bounds"] = {
                    _BOUNDS[key]: value for key, value in parameter.items() if key in _BOUNDS
                }
                found[f"{subject} values"] = sorted(parameter.get("enum", []))
                if "default" in parameter:
                    found[f"{subject} default"] = parameter["default"]
            elif parameter["in"] == "formData":
                found |= {f"{name} body": "form", f"{name} body required": True}
            elif parameter["in"] == "body":
                found[f"{name} body"] = self._kind(parameter["schema"])
                found[f"{name} body required"] = parameter.get("required", False)
        for status, answer in operation["responses"].items():
            if status != "default":
                schema = answer.get("schema")
                found[f"{name} answer {status}"] = self._kind(schema) if schema else "nothing"
        return found

    def _model(self, name: str, schema: dict[str, Any]) -> Claims:
        found: Claims = {}
        for key, field in schema["properties"].items():
            subject = f"{name}.{key}"
            enumeration = field.get("items", field)
            found[subject] = self._kind(field)
            found[f"{subject} read-only"] = field.get("readOnly", False)
            found[f"{subject} values"] = enumeration.get("x-ms-enum", {}).get("name")
            if "x-ms-enum" in enumeration:
                found[f"{enumeration['x-ms-enum']['name']} values"] = sorted(enumeration["enum"])
            if key in schema.get("required", []):
                found[f"{subject} present"] = True
        return found

    def _sent(self) -> Claims:
        waiting: list[Any] = [
            parameter["schema"]
            for item in self.document["paths"].values()
            for operation in item.values()
            for parameter in operation.get("parameters", [])
            if "schema" in parameter
        ]
        reached: set[str] = set()
        while waiting:
            schema = waiting.pop()
            name = schema.get("$ref", "").rpartition("/")[2]
            waiting += [schema[key] for key in ("items", "additionalProperties") if key in schema]
            if name in self.models and name not in reached:
                reached.add(name)
                waiting += self._writable(name).values()
        sent: Claims = {}
        for name in reached:
            writable = self._writable(name)
            sent[f"{name} as sent"] = sorted(writable)
            sent[f"{name} as sent, required"] = sorted({*self.models[name].get("required", [])} & {*writable})
        return sent

    def _writable(self, name: str) -> dict[str, Any]:
        fields: dict[str, Any] = self.models[name]["properties"]
        return {key: field for key, field in fields.items() if not field.get("readOnly")}

    def _resolved(self, parameter: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in parameter:
            return parameter
        resolved: dict[str, Any] = self.document["parameters"][parameter["$ref"].rpartition("/")[2]]
        return resolved

    def _kind(self, schema: dict[str, Any]) -> str:
        if "$ref" in schema:
            name: str = schema["$ref"].rpartition("/")[2]
            return name if name in self.models else self._kind(self.document["definitions"][name])
        if schema["type"] == "array":
            return f"[{self._kind(schema['items'])}]"
        if schema["type"] == "object":
            return f"{{{self._kind(schema['additionalProperties'])}}}"
        if schema["type"] == "file":
            return "bytes"
        return _FORMATS.get(schema.get("format", ""), _SIMPLE[schema["type"]])
