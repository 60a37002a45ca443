"""The evidence that the package contains: the coverage page and the facts, by operation."""

import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from emulator.contract.operations import BY_NAME, OPERATIONS
from emulator.contract.test_kit import evidence
from emulator.contract.versions import VERSIONS

ROOT = Path(__file__).parents[3]
PAGES = {"coverage": ROOT / "docs" / "coverage.md", "facts": ROOT / "api_spec" / "facts.md"}
FACTS = PAGES["facts"].read_text(encoding="utf-8")


def test_every_operation_of_every_version_has_its_evidence() -> None:
    found = evidence.coverage()
    for operation in OPERATIONS:
        for version in VERSIONS[operation.api]:
            if operation.exists_in(version):
                assert found[operation.api, version.name, operation.name].validated, operation.name


def test_the_evidence_is_that_of_the_page() -> None:
    found = evidence.coverage()
    assert found["training", "3.3", "GetArtifact"] == evidence.Coverage(1, recorded=True, validated=True)
    assert found["training", "3.1", "CreateTag"] == evidence.Coverage(1, recorded=False, validated=True)
    assert found["prediction", "3.0", "DetectImage"] == evidence.Coverage(4, recorded=False, validated=True)
    assert found["training", "3.0", "GetImages"] == evidence.Coverage(0, recorded=False, validated=False)


def test_every_inferred_fact_has_operations_except_those_about_exported_models() -> None:
    rows = re.findall(r"^\| .* \| inferred \| .*\|$", FACTS, re.MULTILINE)
    section = FACTS.partition("## Exported models")[2].partition("\n## ")[0]
    of_models = re.findall(r"^\| .* \| inferred \| .*\|$", section, re.MULTILINE)
    facts = evidence.inferred_facts()
    assert len(facts) == len(rows) - len(of_models) > 100
    assert all(fact.text and fact.operations <= BY_NAME.keys() for fact in facts)
    assert not any("<!--" in fact.reason or "-->" in fact.reason for fact in facts)


def test_facts_are_about_some_operations_or_all() -> None:
    found = {fact.text[:30]: fact.operations for fact in evidence.inferred_facts()}
    assert found["Iteration names are unique in "] == {"UpdateIteration"}
    assert found["A duplicate's metadata does no"] == {  # as its section
        name for name in BY_NAME if name.startswith("CreateImagesFrom")
    }
    assert found["Blanks and tabs around the val"] == frozenset()


@pytest.mark.parametrize("patterns", re.findall(r"<!-- operations: (.*?) -->", FACTS))
def test_every_pattern_of_a_fact_names_an_operation(patterns: str) -> None:
    for pattern in patterns.split():
        assert pattern in ("all", "none") or any(fnmatchcase(name, pattern) for name in BY_NAME), pattern


@pytest.mark.parametrize("name", PAGES)
def test_the_packages_pages_are_those_of_the_repository(name: str) -> None:
    assert evidence.page(name) == PAGES[name].read_text(encoding="utf-8")
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert (
        f'"{PAGES[name].relative_to(ROOT).as_posix()}" = "emulator/contract/test_kit/{name}.md"' in settings
    )
