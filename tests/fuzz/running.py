"""One emulator, and schemathesis running against it."""

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz import world
from tests.fuzz.documents import document
from tests.support.harness import PREDICTION_KEY, TRAINING_KEY
from tests.support.live_server import LiveServer

ROOT = Path(__file__).resolve().parents[2]
_CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


@dataclass(frozen=True)
class Outcome:
    """The result of schemathesis: its output, and the number of responses by operation and status."""

    status: int
    report: str
    responses: Counter[str]

    @property
    def succeeded(self) -> set[str]:
        """The operations with at least one success."""
        return {
            response.partition(" ")[0]
            for response in self.responses
            if response.partition(" ")[2].startswith("2")
        }

    @property
    def server_errors(self) -> list[str]:
        return [response for response in self.responses if response.partition(" ")[2].startswith("5")]


def start(folder: Path, seed: int, real_trainings: int = 0) -> LiveServer:
    """An empty emulator. `folder` also has the images that URLs are mapped to."""
    pictures = folder / "pictures"
    pictures.mkdir(parents=True)
    for number, data in enumerate(world.PICTURES):
        (pictures / str(number)).write_bytes(data)
    environment = {"FUZZ_SEED": str(seed), "FUZZ_REAL_TRAININGS": str(real_trainings)}
    return LiveServer(
        folder / "data",
        "--url-map",
        f"http://pictures.test/={pictures}",
        *("--entra", "basic"),  # so that roles can be assigned
        program="tests.fuzz.server",
        environment=environment,
    )


def run(server: LiveServer, folder: Path, name: str, seed: int, *options: str) -> Outcome:
    """Create the world, and run schemathesis with `options` on the document `name`."""
    place = folder / f"{name}-{seed}"
    place.mkdir()
    description = place / "document.json"
    description.write_text(json.dumps(document(name)), encoding="utf-8")
    environment = os.environ | {
        "FUZZ_WORLD": json.dumps(world.make(server.endpoint)),
        "FUZZ_COUNTS": str(place / "counts.json"),
        "FUZZ_TRAINING_KEY": TRAINING_KEY,
        "FUZZ_PREDICTION_KEY": PREDICTION_KEY,
        "PYTHONPATH": str(ROOT),
        "PYTHONHASHSEED": "0",
    }
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(_CONFIGURATION)),
        *("run", str(description), "--url", server.endpoint, "--seed", str(seed), "--no-color"),
        *options,
    ]
    done = subprocess.run(
        command,
        cwd=place,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        check=False,
    )
    counts = place / "counts.json"
    responses = Counter[str](json.loads(counts.read_text("utf-8")) if counts.exists() else {})
    return Outcome(done.returncode, done.stdout, responses)
