"""Clients verify the certificate of `--https auto`: the official SDKs, Node, curl and Chromium."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sdk.installed import JAVASCRIPT_FOLDER, node
from tests.support.browser import OPTIONS, chromium
from tests.support.harness import PATIENCE_SECONDS
from tests.support.https import HttpsServer
from tests.support.program import clean_environment
from tests.support.program import run as run_command

Ran = subprocess.CompletedProcess[str]

PYTHON_SDK = """
import os
from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
from msrest.authentication import ApiKeyCredentials

credentials = ApiKeyCredentials(in_headers={"Training-key": os.environ["VISION_TRAINING_KEY"]})
trainer = CustomVisionTrainingClient(os.environ["VISION_TRAINING_ENDPOINT"], credentials)
trainer.config.retry_policy.retries = 0
print(trainer.create_project("from Python").name)
"""
HTTPX = """
import os, httpx

headers = {"Training-Key": os.environ["VISION_TRAINING_KEY"]}
url = os.environ["VISION_TRAINING_ENDPOINT"] + "/customvision/v3.3/training/projects"
print(httpx.get(url, headers=headers).status_code)
"""
NODE_HTTPS = """
import https from "node:https";
const headers = { "Training-Key": process.env.VISION_TRAINING_KEY };
const url = process.env.VISION_TRAINING_ENDPOINT + "/customvision/v3.3/training/projects";
https.get(url, { headers }, (response) => { console.log(response.statusCode); response.resume(); })
  .on("error", (error) => { console.error(error.code); process.exitCode = 1; });
"""
JAVASCRIPT_SDK = """
import training from "@azure/cognitiveservices-customvision-training";
import msRest from "@azure/ms-rest-js";

const credentials = new msRest.ApiKeyCredentials(
  { inHeader: { "Training-key": process.env.VISION_TRAINING_KEY } });
const trainer = new training.TrainingAPIClient(
  credentials, process.env.VISION_TRAINING_ENDPOINT, { noRetryPolicy: true });
console.log((await trainer.createProject("from JavaScript")).name);
"""


class Served:
    """A server, the folder of its authority, and the variables of `env` for it."""

    def __init__(self, server: HttpsServer, authority: Path) -> None:
        self.server = server
        self.authority = authority
        options = ("--https", "auto", "--https-authority", str(authority.parent))
        ran = run_command("env", "--port", str(server.port), *options)
        assert ran.returncode == 0, ran.stderr
        pairs = (line.removeprefix("export ").split("=", 1) for line in ran.stdout.splitlines())
        self.variables = {name: value.strip("'") for name, value in pairs}

    def run(
        self, *command: str, trusting: bool, folder: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a client. trusting: with all variables of `env`; otherwise with those of the quickstarts."""
        given = {
            name: value for name, value in self.variables.items() if trusting or name.startswith("VISION_")
        }
        other = {name: value for name, value in clean_environment().items() if name not in self.variables}
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            env={**other, **given},
            cwd=folder,
            timeout=PATIENCE_SECONDS,
        )


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("https")
    options = ("--https", "auto", "--https-authority", str(folder / "authority"))
    server = HttpsServer(folder / "log", "serve", "--ephemeral", "--quiet", *options)
    try:
        yield Served(server, folder / "authority" / "authority.pem")
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("program", "output"), [(PYTHON_SDK, "from Python\n"), (HTTPX, "200\n")], ids=["SDK", "httpx"]
)
def test_python(served: Served, program: str, output: str) -> None:
    ran = served.run(sys.executable, "-c", program, trusting=True)
    assert ran.stdout == output, ran.stderr
    refused = served.run(sys.executable, "-c", program, trusting=False)
    assert refused.returncode != 0
    assert "CERTIFICATE_VERIFY_FAILED" in refused.stderr


@pytest.mark.parametrize("more", [(), ("--https-port", "0")], ids=["https alone", "both"])
def test_a_command_run_by_exec(tmp_path: Path, more: tuple[str, ...]) -> None:
    program = HTTPX
    if more:
        program = program.replace(
            'os.environ["VISION_TRAINING_ENDPOINT"]',
            '"https://localhost:" + os.environ["CUSTOM_VISION_EMULATOR_HTTPS_PORT"]',
        )
    options = ("--https", "auto", "--https-authority", str(tmp_path), *more)
    ran = run_command("exec", *options, "--", sys.executable, "-c", program)
    assert ran.stdout == "200\n", ran.stderr
    health = run_command("exec", *options, "--", sys.executable, "-m", "emulator", "health")
    assert health.stdout == "ready\n", health.stderr


def test_node(served: Served) -> None:
    program = shutil.which("node")
    if program is None:
        pytest.skip("Node is not installed (get Node 20 or newer from nodejs.org)")
    command = (program, "--input-type=module", "--eval", NODE_HTTPS)
    ran = served.run(*command, trusting=True)
    assert ran.stdout == "200\n", ran.stderr
    assert "UNABLE_TO" in served.run(*command, trusting=False).stderr


def test_the_javascript_sdk(served: Served) -> None:
    command = (node(), "--input-type=module", "--eval", JAVASCRIPT_SDK)
    ran = served.run(*command, trusting=True, folder=JAVASCRIPT_FOLDER)
    assert ran.stdout == "from JavaScript\n", ran.stderr
    assert served.run(*command, trusting=False, folder=JAVASCRIPT_FOLDER).returncode != 0


def test_curl(served: Served) -> None:
    program = shutil.which("curl")
    if program is None:
        pytest.skip("curl is not installed (Debian: apt install curl)")
    command = (program, "--silent", "--output", os.devnull, "--write-out", "%{http_code}")
    for host in ("127.0.0.1", "localhost"):
        endpoint = f"https://{host}:{served.server.port}/"
        assert served.run(*command, endpoint, trusting=True).stdout == "200"
        refused = served.run(*command, endpoint, trusting=False)
        assert refused.returncode == 60  # "SSL certificate problem"


@pytest.mark.slow
def test_chromium(served: Served, tmp_path: Path) -> None:
    browser, certutil = chromium(), shutil.which("certutil")
    if certutil is None:
        pytest.skip("certutil is not installed (Debian: apt install libnss3-tools)")
    database = tmp_path / ".pki" / "nssdb"
    database.mkdir(parents=True)
    in_database = [certutil, "-d", f"sql:{database}"]
    subprocess.run([*in_database, "-N", "--empty-password"], check=True, capture_output=True)

    def shown(profile: str) -> str:
        command = [browser, *OPTIONS, f"--user-data-dir={tmp_path / profile}", "--dump-dom"]
        return subprocess.run(
            [*command, f"https://localhost:{served.server.port}/"],
            env=clean_environment(HOME=str(tmp_path)),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        ).stdout

    assert "Custom Vision Emulator" not in shown("before")
    certificate = ["-n", "emulator", "-i", str(served.authority)]
    subprocess.run([*in_database, "-A", "-t", "C,,", *certificate], check=True, capture_output=True)
    assert "Custom Vision Emulator" in shown("after")
