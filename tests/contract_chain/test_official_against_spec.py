"""api_spec/ agrees with Microsoft's own descriptions of the APIs, from which the official SDKs are generated.

No SDK covers Training 3.1; these are the only source for it. They are not part of this repository.
"""

import json
from functools import cache
from pathlib import Path

import pytest

from tests.contract_chain.agreement import assert_agreement
from tests.contract_chain.document_claims import DocumentClaims
from tests.contract_chain.official_claims import OfficialClaims
from tests.contract_chain.sdk_claims import Claims
from tests.contract_chain.spec import VERSIONS, operations_of, render

FOLDER = Path(__file__).parents[3] / "shared" / "contract" / "official"
DOCUMENTS = [(api, version) for api in ("training", "prediction") for version in VERSIONS[api]]

pytestmark = [
    pytest.mark.skipif(
        not FOLDER.is_dir(),
        reason="Microsoft's Swagger files are not here (put them under ../shared/contract/official)",
    ),
    pytest.mark.parametrize(("api", "version"), DOCUMENTS),
]


@cache
def official_claims(api: str, version: str) -> Claims:
    path = FOLDER / api / f"v{version}" / f"{api.capitalize()}.json"
    return OfficialClaims(json.loads(path.read_text(encoding="utf-8-sig"))).claims()


def test_official_description_and_document_agree(api: str, version: str) -> None:
    document = DocumentClaims(render(api, version)).claims()
    assert_agreement(api, version, official_claims(api, version), document)


def test_the_official_description_is_read_completely(api: str, version: str) -> None:
    operations = {subject for subject in official_claims(api, version) if subject.isalnum()}
    assert operations == operations_of(api, version)
