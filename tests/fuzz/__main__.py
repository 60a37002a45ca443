"""``make fuzz``: schemathesis with all documents in turn, for a given time, against one emulator.

Every pass has its own seed, derived from the seed that is printed first, and starts with a reset. Trainings
take milliseconds, except every twentieth of a classifier, which is real. The run fails when schemathesis has
findings or the emulator's memory grows beyond its limit.
"""

import argparse
import itertools
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx

from tests.fuzz import running
from tests.fuzz.documents import RUNS
from tests.support.harness import TRAINING_KEY

_PASS_SECONDS = 90
_REAL_TRAININGS = 20
_MOST_GROWTH = 1.3


def main() -> int:
    parser = argparse.ArgumentParser(description="Test the emulator with requests made from its documents.")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--runs", nargs="+", choices=RUNS, default=RUNS, metavar="VERSION")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        return _fuzz(Path(folder), arguments.minutes * 60, arguments.seed, arguments.runs)


def _fuzz(folder: Path, seconds: float, seed: int, names: list[str]) -> int:
    seeds = random.Random(seed)
    deadline = time.monotonic() + seconds
    responses = Counter[str]()
    findings = 0
    before = 0.0
    server = running.start(folder / "server", seed, real_trainings=_REAL_TRAININGS)
    try:
        for name in itertools.cycle(names):
            left = deadline - time.monotonic()
            if left <= 0 and before:
                break
            # As long as the others, or the remaining time.
            budget = round(max(10, min(_PASS_SECONDS, seconds / len(names), left)))
            pass_seed = seeds.randrange(2**32)
            outcome = running.run(server, folder, name, pass_seed, "--max-time", str(budget))
            responses.update(outcome.responses)
            by_status = Counter(_status(response) for response in outcome.responses.elements())
            print(f"{name}: seed {pass_seed}, {_listed(by_status)}", flush=True)
            if outcome.status or outcome.server_errors:
                findings += 1
                print(outcome.report, flush=True)
            httpx.post(
                f"{server.endpoint}/_emulator/reset", headers={"Training-Key": TRAINING_KEY}, timeout=60
            )
            memory = server.memory_megabytes()
            before = before or memory
            print(f"  memory of the server {memory:.0f} MB", flush=True)
    finally:
        server.kill()
    return _report(responses, findings, before, memory, server.log())


def _status(response: str) -> str:
    return response.rpartition(" ")[2]


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{status}: {count}" for status, count in sorted(counts.items()))


def _report(responses: Counter[str], findings: int, before: float, after: float, log: str) -> int:
    by_status = Counter(_status(response) for response in responses.elements())
    print(f"{responses.total()} requests were answered: {_listed(by_status)}")
    print(f"passes with findings: {findings}")
    print(f"memory of the server: {before:.0f} MB after the first pass, {after:.0f} MB at the end", end="")
    print(f" ({after / before:.2f} times)" if before else " (cannot be measured here)")
    if "Traceback" in log:
        print(log)
    return int(findings > 0 or "Traceback" in log or (before > 0 and after > _MOST_GROWTH * before))


if __name__ == "__main__":
    sys.exit(main())
