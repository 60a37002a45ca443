"""How it is known that the emulator responds as the service does: the coverage page and the list of facts.

Both pages are part of the package: ``docs/coverage.md``, which the tests write, and ``api_spec/facts.md``.
"""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import NamedTuple

from emulator.contract.operations import BY_NAME

# Where the pages are in a checkout; in an installed package they are beside this module.
_PAGES = {"coverage": "docs/coverage.md", "facts": "api_spec/facts.md"}
_CELL_END = re.compile(r"(?<!\\)\|")
_OPERATIONS = re.compile(r"<!-- operations: (.*?) -->")
_MARK = re.compile(r"(\()?S(\d+)\)?")
_EVERY = "all"
_NONE = "none"


class Coverage(NamedTuple):
    """The evidence for an operation of a version.

    Attributes:
        sdks: the number of versions of official SDKs that called it successfully on the emulator.
        recorded: whether responses were compared with recorded ones of the service.
        validated: whether responses were validated against the document of the version.
    """

    sdks: int
    recorded: bool
    validated: bool


class Fact(NamedTuple):
    """A behavior of the service that has not been published: the emulator's choice.

    Attributes:
        section: of the page. reason: empty where the page has none.
        operations: names; empty for facts about every operation.
    """

    section: str
    text: str
    reason: str
    operations: frozenset[str]


@cache
def page(name: str) -> str:
    """The text of a page, ``coverage`` or ``facts``, as Markdown."""
    installed = Path(__file__).with_name(f"{name}.md")
    path = installed if installed.exists() else Path(__file__).parents[3] / _PAGES[name]
    return path.read_text(encoding="utf-8")


@cache
def coverage() -> dict[tuple[str, str, str], Coverage]:
    """The evidence by API, version and operation."""
    found = {}
    for title, body in _sections(page("coverage")):
        api = title.lower()
        if api not in ("training", "prediction"):
            continue
        (_, *versions), *rows = _rows(body)
        for operation, *cells in rows:
            for version, cell in zip(versions, cells, strict=True):
                found[api, version, operation] = _coverage_in(cell)
    return found


@cache
def inferred_facts() -> tuple[Fact, ...]:
    """The facts that are only inferred and about operations of the service, in the order of the page."""
    found = []
    for section, body in _sections(page("facts")):
        of_section = _OPERATIONS.match(body)
        for text, known, remark in _rows(body)[1:]:
            of_row = _OPERATIONS.search(remark)
            patterns = (of_row or of_section or [_EVERY, _EVERY])[1].split()
            if known == "inferred" and patterns != [_NONE]:
                reason = _OPERATIONS.sub("", remark).strip()
                found.append(Fact(section, text, reason, _operations(patterns)))
    return tuple(found)


def _operations(patterns: list[str]) -> frozenset[str]:
    if patterns == [_EVERY]:
        return frozenset()
    return frozenset(name for name in BY_NAME for pattern in patterns if fnmatchcase(name, pattern))


def _coverage_in(cell: str) -> Coverage:
    words = cell.split()
    sdks = sum(int(mark[2]) for word in words if (mark := _MARK.fullmatch(word)))
    return Coverage(sdks, "R" in words, "V" in words)


def _sections(text: str) -> Iterator[tuple[str, str]]:
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        title, _, body = section.partition("\n")
        yield title.strip(), body


def _rows(body: str) -> list[list[str]]:
    """The cells of a table's rows, its heading first."""
    return [
        [cell.strip().replace(r"\|", "|") for cell in _CELL_END.split(line)[1:-1]]
        for line in body.splitlines()
        if line.startswith("| ")
    ]
