"""Object stores for tests: a folder, and moto's S3 and Azurite's Blob Storage in processes of their own."""

import importlib.util
import re
import shutil
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest

from tests.support.waiting import PATIENCE_SECONDS

HOW_TO_GET_OBSTORE = "obstore is missing; get it with: pip install obstore"
HOW_TO_GET_AZURITE = "Azurite is missing; get it with Node 20 or newer and: npm ci, in tests/azurite"
HOW_TO_GET_MOTO = "moto is missing; get it with: pip install 'moto[server]'"
BUCKET = "emulator"


class S3Server:
    """moto's S3 with one bucket, at a free port. Skips the test where moto is not installed."""

    address = f"s3://{BUCKET}"

    def __init__(self) -> None:
        if importlib.util.find_spec("moto") is None:
            pytest.skip(HOW_TO_GET_MOTO)
        self._process = subprocess.Popen(
            [sys.executable, "-u", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        overdue = threading.Timer(PATIENCE_SECONDS, self._process.kill)
        overdue.start()
        assert self._process.stdout is not None
        said = []
        for line in self._process.stdout:
            said.append(line)
            if found := re.search(r"Running on (http://127\.0\.0\.1:\d+)", line):
                self.endpoint = found[1]
                break
        else:
            pytest.fail(f"moto did not start: {said}")
        overdue.cancel()
        # Else the server would wait when the pipe is full.
        self._reader = threading.Thread(target=self._process.stdout.read, daemon=True)
        self._reader.start()
        request = urllib.request.Request(f"{self.endpoint}/{BUCKET}", method="PUT")
        urllib.request.urlopen(request).close()

    @property
    def variables(self) -> dict[str, str]:
        """The environment in which the store finds the server."""
        return self.variables_of(self.endpoint)

    @staticmethod
    def variables_of(endpoint: str) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
        }

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


class AzureServer:
    """Azurite's Blob Storage with one container. Skips the test where Node or Azurite is missing."""

    address = f"az://{BUCKET}"

    def __init__(self, folder: Path) -> None:
        from azure.storage.blob import ContainerClient

        from tests.azurite import conftest as azurite

        if not is_azurite_installed():
            pytest.skip(HOW_TO_GET_AZURITE)
        self._azurite = azurite.Azurite(folder)
        endpoint = f"http://127.0.0.1:{self._azurite.ports['Blob']}"
        self.variables = {"AZURE_STORAGE_USE_EMULATOR": "true", "AZURITE_BLOB_STORAGE_URL": endpoint}
        url = f"{endpoint}/{azurite.ACCOUNT}/{BUCKET}"
        with ContainerClient.from_container_url(url, credential=azurite.KEY) as container:
            container.create_container()

    def stop(self) -> None:
        self._azurite.stop()


def is_azurite_installed() -> bool:
    from tests.azurite import conftest as azurite

    return shutil.which("node") is not None and azurite.AZURITE.exists()


def folder_address(folder: Path) -> str:
    """The URL of a folder as an object store."""
    return folder.as_uri()
