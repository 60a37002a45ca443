"""Compares the claims of clients with those of api_spec/."""

from tests.contract_chain.contradictions import CONTRADICTIONS
from tests.contract_chain.sdk_claims import Claims

# The document states more than clients know: fields that responses always have, defaults of the service.
ONLY_IN_DOCUMENT = (" present", " default")


def differences(sdk: Claims, document: Claims) -> list[str]:
    """One line for each claim that is missing on one side or that differs."""
    lines = []
    for subject in sorted(sdk.keys() | document.keys()):
        if subject not in document:
            lines.append(f"{subject}: the SDK says {sdk[subject]!r}, api_spec nothing")
        elif subject not in sdk:
            if not subject.endswith(ONLY_IN_DOCUMENT):
                lines.append(f"{subject}: api_spec says {document[subject]!r}, the SDK nothing")
        elif sdk[subject] != document[subject]:
            lines.append(f"{subject}: the SDK says {sdk[subject]!r}, api_spec {document[subject]!r}")
    return lines


def assert_agreement(api: str, version: str, sdk: Claims, document: Claims) -> None:
    """Both sides claim the same except for `CONTRADICTIONS`, and every entry there still occurs."""
    found = differences(sdk, document)
    known = CONTRADICTIONS.get((api, version), {})
    unknown = [line for line in found if not line.startswith(tuple(known))]
    assert not unknown, "\n".join(["", *unknown])
    gone = [start for start in known if not any(line.startswith(start) for line in found)]
    assert not gone, f"no longer contradicted, take it out of CONTRADICTIONS: {gone}"
