"""The text of docs/coverage.md: what the emulator covers of the service, and by what evidence."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tests.contract_chain.contradictions import CONTRADICTIONS
from tests.contract_chain.spec import VERSIONS, operations_of
from tests.recorded.gaps import GAPS
from tests.sdk.installed import REDIRECTED, SDKS
from tests.support.coverage_evidence import RECORDED, VALIDATED, Evidence

FACTS = Path(__file__).parents[2] / "api_spec" / "facts.md"
KINDS = ("recorded", "documented", "inferred")
APIS = ("training", "prediction")

LACKED = "\N{EN DASH}"
_INTRODUCTION = f"""\
# Coverage

Every operation in every version of the APIs, and the evidence that the emulator responds as the service does.
This page is generated from the tests: `make coverage-page` writes it, and `make test` fails when it differs
from their evidence.

- **S1**, **S2**, ...: the number of official SDKs below that called the operation on a live server
  successfully and parsed the whole response. In brackets: SDKs of another version, redirected to this one.
- **R**: the emulator's response was compared with a recorded response of the real service to this operation
  of this version in the same situation: status, headers, order of properties, null against absent, formats of
  values.
- **V**: successful responses were validated against the document of this version in `api_spec/`: status,
  headers, shape, order of properties, formats.
- **none**: no evidence. **{LACKED}**: the version does not have the operation.

The documents in turn are compared with the SDKs (each operation, path, parameter, bound, default, field,
mark, enumeration and accepted status of each version), and with Microsoft's descriptions of all versions,
from which the SDKs are generated.
"""


def page(collected: Iterable[Evidence]) -> str:
    """The whole page; it does not depend on the order of the evidence."""
    sources: dict[tuple[str, str, str], set[str]] = {}
    for api, version, operation, source in collected:
        sources.setdefault((api, version, operation), set()).add(source)
    parts = [_INTRODUCTION, _totals(sources), _sdks()]
    parts += [_operations(api, sources) for api in APIS]
    parts += [_gaps(), _contradictions(), facts_section()]
    return "\n".join(parts)


def _totals(sources: Mapping[tuple[str, str, str], set[str]]) -> str:
    lines = [
        "## Totals",
        "The operations of each version, and the number of them with each kind of evidence:",
        "",
        "| API | Operations | called by official SDKs | compared with recorded responses | validated |",
        "|---|---|---|---|---|",
    ]
    for api in APIS:
        for version in VERSIONS[api]:
            names = operations_of(api, version)
            shown = [sources.get((api, version, name), set()) for name in names]
            by_sdks = sum(bool(one - {RECORDED, VALIDATED}) for one in shown)
            counts = [by_sdks, *(sum(kind in one for one in shown) for kind in (RECORDED, VALIDATED))]
            cells = " | ".join(f"{count} of {len(names)}" for count in counts)
            lines.append(f"| {api.capitalize()} {version} | {len(names)} | {cells} |")
    return "\n".join([*lines, ""])


def _sdks() -> str:
    lines = ["## Versions of the SDKs", "| SDK | Training | Prediction |", "|---|---|---|"]
    lines += [f"| {sdk.language} {sdk.version} | {sdk.training} | {sdk.prediction} |" for sdk in SDKS]
    lines.append("")
    for sdk in REDIRECTED:
        lines.append(
            f"No official SDK calls Training {sdk.training}: {sdk.language} {sdk.version}, which calls "
            f"{sdk.redirected_from}, is redirected there."
        )
    return "\n".join([*lines, ""])


def _operations(api: str, sources: Mapping[tuple[str, str, str], set[str]]) -> str:
    versions = VERSIONS[api]
    lines = [
        f"## {api.capitalize()}",
        f"| Operation | {' | '.join(versions)} |",
        "|---" * (len(versions) + 1) + "|",
    ]
    has = {version: operations_of(api, version) for version in versions}
    for name in sorted(has[versions[-1]]):
        cells = [
            _cell(sources.get((api, version, name), set())) if name in has[version] else LACKED
            for version in versions
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _cell(sources: set[str]) -> str:
    sdks = sources - {RECORDED, VALIDATED}
    redirected = sdks & {str(sdk) for sdk in REDIRECTED}
    marks = [f"S{len(sdks - redirected)}"] if sdks - redirected else []
    marks += [f"(S{len(redirected)})"] if redirected else []
    marks += [mark for mark, source in (("R", RECORDED), ("V", VALIDATED)) if source in sources]
    return " ".join(marks) or "none"


def _gaps() -> str:
    lines = [
        "## Differences from recorded responses",
        "Every recorded response is compared. The known differences:",
        "",
        "| Line of the recording | Where | Why |",
        "|---|---|---|",
    ]
    for number, places in sorted(GAPS.items()):
        lines += [f"| {number} | `{place.rstrip(': ')}` | {why} |" for place, why in places.items()]
    return "\n".join([*lines, ""])


def _contradictions() -> str:
    lines = [
        "## Contradictions of SDKs and service",
        "`api_spec/` and the emulator follow the service.",
        "",
        "| Version | Where | Why |",
        "|---|---|---|",
    ]
    for (api, version), places in sorted(CONTRADICTIONS.items()):
        where = f"{api.capitalize()} {version}"
        lines += [f"| {where} | `{place.rstrip(': ')}` | {why} |" for place, why in places.items()]
    return "\n".join([*lines, ""])


def facts_section() -> str:
    lines = [
        "## Behavior beyond the documents",
        "`api_spec/facts.md` lists facts that documents can't express, each with its kind of evidence. The",
        "number of facts by kind; inferred facts have not been published by anybody.",
        "",
        f"| About | {' | '.join(KINDS)} |",
        "|---" * (len(KINDS) + 1) + "|",
    ]
    total: Counter[str] = Counter()
    for section, counts in _facts_by_section(FACTS.read_text(encoding="utf-8")):
        total += counts
        lines.append(f"| {section} | {' | '.join(str(counts[kind]) for kind in KINDS)} |")
    lines.append(f"| **All** | {' | '.join(f'**{total[kind]}**' for kind in KINDS)} |")
    return "\n".join([*lines, ""])


def _facts_by_section(text: str) -> Iterator[tuple[str, Counter[str]]]:
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        title, _, body = section.partition("\n")
        rows = [re.split(r"(?<!\\)\|", line) for line in body.splitlines() if line.startswith("| ")]
        counts = Counter(row[2].strip() for row in rows)
        unknown = counts.keys() - {*KINDS, "Known"}
        assert not unknown, f"facts.md: {title}: evidence of kind {unknown}"
        yield title, counts
