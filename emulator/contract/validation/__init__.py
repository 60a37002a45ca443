"""Requests and responses held to the OpenAPI document of their version. Needs the package jsonschema."""
