"""The short run of schemathesis: every document of `api_spec/`, with the same requests on every run.

schemathesis prints a finding with its request. ``make fuzz`` runs longer.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract_chain.spec import VERSIONS
from tests.fuzz import running
from tests.fuzz.documents import CONTROL, RUNS, document, names
from tests.support.live_server import LiveServer

_NEWEST = VERSIONS["training"][-1]
# The newest version gets more requests; it shares most of its code with the older ones.
_EXAMPLES = {_NEWEST: 15, CONTROL: 15}
_EXAMPLES_OF_OTHERS = 2
# With these seeds, each operation of the two larger documents has at least two successful requests.
_SEEDS = {_NEWEST: 22, CONTROL: 23}
_SEED_OF_OTHERS = 20

_NEVER_SUCCESSFUL = {
    "GetInsightPage",  # 302 alone
    # Without an upstream, which would get the requests.
    "GetUpstream",
    "SetUpstreamMode",
    "GetUpstreamDifferences",
    "ClearUpstreamDifferences",
    # They need a project that was pulled and trained again.
    "GetLeaveReport",
    "GetLeaveReportPage",
}


@pytest.fixture
def server(name: str, tmp_path: Path) -> Iterator[LiveServer]:
    started = running.start(tmp_path / "server", _SEEDS.get(name, _SEED_OF_OTHERS))
    yield started
    started.kill()


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_responses_to_schemathesis_conform_to_the_documents(
    name: str, server: LiveServer, tmp_path: Path
) -> None:
    seed = _SEEDS.get(name, _SEED_OF_OTHERS)
    examples = _EXAMPLES.get(name, _EXAMPLES_OF_OTHERS)
    outcome = running.run(server, tmp_path, name, seed, "--max-examples", str(examples))
    assert outcome.status == 0, outcome.report
    assert not outcome.server_errors, outcome.report
    assert "Traceback" not in server.log()
    unanswered = names(document(name)) - outcome.succeeded
    if name in _EXAMPLES:
        unanswered -= _NEVER_SUCCESSFUL
        assert not unanswered, f"no request for these succeeded: {sorted(unanswered)}"
    else:
        assert len(unanswered) < len(names(document(name))) / 4, unanswered
