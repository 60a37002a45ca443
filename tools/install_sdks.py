"""Install older versions of the official Python SDK for the tests, each into .cache/sdk-<version>.

The newest version is in the environment itself. Installed versions are kept. Needs only pip.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGE = "azure-cognitiveservices-vision-customvision"
VERSIONS = ("1.0.0", "2.0.0", "3.0.0")
CACHE = Path(__file__).parents[1] / ".cache"


def install(version: str) -> bool:
    folder = CACHE / f"sdk-{version}"
    if folder.is_dir():
        return True
    CACHE.mkdir(exist_ok=True)
    # Renamed when complete: an existing folder is assumed to be complete.
    with tempfile.TemporaryDirectory(dir=CACHE, ignore_cleanup_errors=True) as temporary:
        target = Path(temporary) / "sdk"
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        command += ["--no-deps", "--only-binary", ":all:", "--target", str(target), f"{PACKAGE}=={version}"]
        if subprocess.run(command).returncode or not target.is_dir():
            return False
        target.rename(folder)
    return True


def main() -> int:
    missing = [version for version in VERSIONS if not install(version)]
    if missing:
        print(f"{PACKAGE} {', '.join(missing)} could not be installed; tests that need it are skipped.")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
