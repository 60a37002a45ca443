"""The usage as a report in Markdown."""

from collections.abc import Iterator

from emulator.api.request_log.usage import Usage, Used
from emulator.contract.test_kit.evidence import Fact


def report(usage: Usage) -> str:
    return "\n".join([*_operations(usage), *_clients(usage), *_inferred(usage)]) + "\n"


def _operations(usage: Usage) -> Iterator[str]:
    yield "# Operations used"
    yield ""
    total, failed, departed = (
        sum(getattr(one, name) for one in usage.operations) for name in ("requests", "failed", "departed")
    )
    counted = f"Since {usage.since}: {total} requests of {len(usage.operations)} operations, {failed} failed"
    yield f"{counted}, {departed} departed from the documents." if departed else f"{counted}."
    if not usage.operations:
        return
    yield ""
    yield "| Operation | Version | Requests | Failed | Query parameters | Properties of the body | Evidence |"
    yield "|---|---|---|---|---|---|---|"
    for one in usage.operations:
        cells = [
            one.operation,
            f"{one.api.capitalize()} {one.version}",
            str(one.requests),
            str(one.failed),
            ", ".join(one.parameters),
            ", ".join(one.properties),
            _evidence(one),
        ]
        yield f"| {' | '.join(_cell(cell) for cell in cells)} |"
    yield ""
    yield "Evidence: whether responses of this operation and version were compared with recorded ones of the"
    yield "service and validated against its documents, and how many versions of official SDKs called it"
    yield f"successfully. All operations: {usage.coverage_url}"


def _evidence(one: Used) -> str:
    sdks, recorded, validated = one.evidence
    words = [f"{sdks} SDK{'' if sdks == 1 else 's'}"] if sdks else []
    words += ["recorded"] if recorded else []
    words += ["validated"] if validated else []
    return ", ".join(words) or "none"


def _clients(usage: Usage) -> Iterator[str]:
    if usage.clients:
        yield ""
        yield "## Clients"
        for client, agent, count in usage.clients:
            names = [name for name in (client, agent) if name]
            yield f"- {', '.join(names) or 'without a name'}: {count} requests"


def _inferred(usage: Usage) -> Iterator[str]:
    inferred = usage.inferred()
    special = [(fact, names) for fact, names in inferred if names]
    general = [fact for fact, names in inferred if not names]
    if special:
        yield ""
        yield "## Only inferred"
        yield "How the service behaves is not published: the emulator's choice, and its reason in brackets."
        section = ""
        for fact, names in special:
            if fact.section != section:
                section = fact.section
                yield ""
                yield f"### {section}"
            yield f"- {_fact(fact)}: {', '.join(names)}"
    if general:
        yield ""
        yield "## Only inferred, about every operation"
        yield from (f"- {_fact(fact)}" for fact in general)


def _fact(fact: Fact) -> str:
    return f"{fact.text} ({fact.reason})" if fact.reason else fact.text


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
