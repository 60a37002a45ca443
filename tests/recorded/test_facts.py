"""The table of facts agrees with the recording."""

from __future__ import annotations

import re

import pytest

from tests.recorded.comparison import GUID, References, differences
from tests.recorded.rows import RECORDING, Recorded, domain_ids, facts, recording

# Headers whose values differ between two responses of the service.
VARYING = {"Date", "Content-Length", "apim-request-id"}
# The name of the recorded project holds an id.
OWN_NAMES = {14: "$.name: ", 15: "$.name: "}

FACTS = facts()


def test_facts_have_a_row_for_every_line() -> None:
    assert [row.number for row in FACTS] == list(range(20))


@pytest.mark.skipif(
    not RECORDING.is_file(),
    reason="there is no recording of the service's responses (../shared/contract/recorded-current.jsonl)",
)
@pytest.mark.parametrize("fact", FACTS, ids=str)
def test_a_fact_agrees_with_the_recording(fact: Recorded) -> None:
    recorded = recording()[fact.number]
    assert (fact.operation, fact.address) == (recorded.operation, recorded.address)
    assert (fact.status, fact.body is None) == (recorded.status, recorded.body is None)
    assert list(fact.headers) == list(recorded.headers)
    for name in fact.headers.keys() - VARYING:
        assert fact.headers[name] == recorded.headers[name]
    references = References({one: one for one in domain_ids(FACTS)})
    for old, new in zip(re.findall(GUID, recorded.path), re.findall(GUID, fact.path), strict=True):
        assert references.stands_for(old, new)
    found = list(differences(recorded.response, fact.response, references))
    assert [line for line in found if not line.startswith(OWN_NAMES.get(fact.number, "-"))] == []
    assert fact.path == references.translated(recorded.path)
    assert without_ids(fact.query) == without_ids(recorded.query)


def without_ids(query: str | None) -> str | None:
    return query and re.sub(f"{GUID}|[0-9a-f]{{32}}", "<id>", query)
