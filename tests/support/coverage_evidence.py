"""Evidence of the tests that an operation of the emulator responds as the service does.

Tests note evidence; `coverage_plugin` gathers it from all processes and `coverage_page` writes it down.
"""

from typing import NamedTuple

RECORDED = "recorded"
VALIDATED = "validated"


class Evidence(NamedTuple):
    """source: RECORDED, a response was compared with the service's; VALIDATED, a successful response
    conformed to the contract; or the name of an SDK that called the operation successfully."""

    api: str
    version: str
    operation: str
    source: str


collected: set[Evidence] = set()
"""The evidence of the tests of this process so far."""


def note_validated(api: str, version: str, operation: str) -> None:
    note(api, version, operation, VALIDATED)


def note(api: str, version: str, operation: str, source: str) -> None:
    collected.add(Evidence(api, version, operation, source))
