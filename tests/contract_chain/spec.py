"""The contract as tests use it: documents rendered from `api_spec/`, and a validator of responses.

The validator, `emulator.contract.validation`, does not depend on the routes and shapes that it is to check.
"""

import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from emulator.contract.validation.documents import METHODS, Documents
from emulator.contract.validation.json_rules import Written
from emulator.contract.validation.responses import ResponseValidator

__all__ = [
    "API_SPEC",
    "METHODS",
    "VERSIONS",
    "ContractValidator",
    "Written",
    "operations_of",
    "render",
    "renderer",
]

API_SPEC = Path(__file__).resolve().parents[2] / "api_spec"


def _load_renderer() -> Any:
    """`api_spec/render.py`, which is a script beside its data and in no package."""
    found = importlib.util.spec_from_file_location("api_spec_render", API_SPEC / "render.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


renderer = _load_renderer()
render: Callable[[str, str], dict[str, Any]] = renderer.render
VERSIONS: dict[str, tuple[str, ...]] = renderer.VERSIONS
_documents = Documents(cache(render), VERSIONS)


class ContractValidator(ResponseValidator):
    """Validates responses. Documents and validators are compiled once for the process.

    `kept` is called with the API, its version and the operation of each valid successful response.
    """

    def __init__(self, kept: Callable[[str, str, str], None] = lambda api, version, operation: None) -> None:
        super().__init__(_documents, kept)


def operations_of(api: str, version: str) -> set[str]:
    """The names of the operations that a version of an API has."""
    return {operation.name for operation in _documents.operations(api, version)}
