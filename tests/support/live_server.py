"""A live server in a separate process, and the steps of its client."""

import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from tests.support import chosen_store
from tests.support.harness import (
    NEWEST,
    PATIENCE_SECONDS,
    TRAINING_KEY,
    expect,
    files_body,
    validate_response,
    wait_until,
)
from tests.support.images import pictures

# Options with which a server does not use the store of this run.
_OWN_STORE = {"--database", "--ephemeral"}


class LiveServer:
    """``custom-vision-emulator serve`` in a separate process, on a free port.

    `program`: another module with the command `serve`. `environment`: variables in addition to
    those of this process. The store is that of this run, unless they or the arguments name a database.
    """

    def __init__(
        self,
        data: Path,
        *arguments: str,
        program: str = "emulator",
        environment: dict[str, str] | None = None,
    ) -> None:
        self.data = data
        data.mkdir(parents=True, exist_ok=True)
        self._log = (data / "standard-error.log").open("ab")
        given = environment or {}
        store = None
        if not (_OWN_STORE & {*arguments} or "CUSTOM_VISION_EMULATOR_DATABASE" in given):
            store = chosen_store.store_of(data)
        chosen = {} if store is None else store.variables
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("CUSTOM_VISION_")
        }
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                program,
                "serve",
                "--port",
                "0",
                "--data",
                str(data),
                "--quiet",
                *arguments,
            ],
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=inherited | chosen | given,
        )
        assert self.process.stdout is not None
        overdue = threading.Timer(PATIENCE_SECONDS, self.process.kill)
        overdue.start()
        try:
            first_line = self.process.stdout.readline()
        finally:
            overdue.cancel()
        found = re.search(r"ready at (http://\S+:(\d+))$", first_line.strip())
        if found is None:
            self.kill()
            raise AssertionError(f"did not start: {first_line!r} {self.log()}")
        self.endpoint, self.port = found[1], int(found[2])
        self.client = self.new_client()

    def new_client(self) -> httpx.Client:
        def read_and_judge(response: httpx.Response) -> None:
            response.read()
            validate_response(response)

        return httpx.Client(
            base_url=f"{self.endpoint}/customvision/{NEWEST}/training",
            headers={"Training-Key": TRAINING_KEY},
            timeout=PATIENCE_SECONDS,
            event_hooks={"response": [read_and_judge]},
            trust_env=False,
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def memory_megabytes(self) -> float:
        """Resident memory of the process; 0 when the system does not provide it."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text("ascii")
        except OSError:
            return 0.0
        found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
        return int(found[1]) / 1024 if found else 0.0

    def log(self) -> str:
        return (self.data / "standard-error.log").read_text("utf-8", "replace")

    def kill(self) -> None:
        """Send SIGKILL or the system's equivalent."""
        with suppress(ProcessLookupError):
            self.process.kill()
        self._ended()

    def terminate(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; returns the exit status."""
        self.process.send_signal(number)
        self._ended()
        return self.process.returncode

    def _ended(self) -> None:
        self.process.wait(timeout=PATIENCE_SECONDS)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._log.close()
        if hasattr(self, "client"):
            self.client.close()

    # Steps of a client

    def post(self, path: str, **more: Any) -> Any:
        return expect(self.client.post(path, **more))

    def get(self, path: str, **more: Any) -> Any:
        return expect(self.client.get(path, **more))

    def project(self, **parameters: str) -> str:
        made = self.post(
            "/projects", params={"name": "live", "classificationType": "Multiclass", **parameters}
        )
        return f"/projects/{made['id']}"

    def trainable(self, per_tag: int = 6) -> str:
        """The path of a project with two tags and `per_tag` images each."""
        project = self.project()
        for colour in ("red", "blue"):
            tag = self.post(f"{project}/tags", params={"name": colour})["id"]
            summary = self.post(f"{project}/images/files", json=files_body(pictures(per_tag, colour), [tag]))
            assert summary["isBatchSuccessful"]
        return project

    def wait_for_training(self, project: str, iteration_id: str) -> dict[str, Any]:
        """The iteration after its training ended."""

        def ended() -> dict[str, Any] | None:
            iteration: dict[str, Any] = self.get(f"{project}/iterations/{iteration_id}")
            return iteration if iteration["status"] != "Training" else None

        iteration = wait_until(ended, "the end of a training")
        assert iteration is not None
        return iteration
