"""How we know of an operation that the emulator answers as the service does: what the tests have shown.

Tests note evidence; `coverage_plugin` gathers it from all processes and `coverage_page` writes it down.
"""

from typing import NamedTuple

RECORDED = "recorded"
VALIDATED = "validated"


class Evidence(NamedTuple):
    """source: RECORDED, an answer of the real service was replayed; VALIDATED, a successful answer kept the
    contract; or an SDK's name, it has called the operation with success."""

    api: str
    version: str
    operation: str
    source: str


collected: set[Evidence] = set()
"""What the tests of this process have shown so far."""


def note_validated(api: str, version: str, operation: str) -> None:
    note(api, version, operation, VALIDATED)


def note(api: str, version: str, operation: str, source: str) -> None:
    collected.add(Evidence(api, version, operation, source))
