"""Take the screenshots of the documentation: docs/images/*.png.

    python tools/screenshots.py [--chromium PROGRAM] [--folder docs/images]

Starts an emulator without persistent state, trains a classifier on the photographs of `make demo`, three of
which get a wrong tag on purpose, and opens the page `/_emulator/insight` in headless Chromium. Needs the
extra `demo` and Chromium; without Chromium it prints a message and writes nothing.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
from azure.cognitiveservices.vision.customvision.training.models import (
    ImageFileCreateBatch,
    ImageFileCreateEntry,
)
from msrest.authentication import ApiKeyCredentials

from emulator.settings import DEFAULT_TRAINING_KEYS

ROOT = Path(__file__).parents[1]
PAGE = "/_emulator/insight"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-gpu",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
)
# Photographs that are uploaded with the tag of another folder: (folder, tag, number of photographs).
WRONG_TAGS = (("gravel", "brick", 2), ("grass", "gravel", 1))
WIDTH, HEIGHT = 1000, 970
PATIENCE_SECONDS = 120

# Enters the key, opens the cell with the most mistakes, and scrolls back to the top.
SCRIPT = """
<script>
(async () => {
  const wait = async found => {
    while (!found()) await new Promise(done => setTimeout(done, 50));
    return found();
  };
  const key = document.getElementById("key");
  key.value = "%s";
  key.dispatchEvent(new Event("change"));
  await wait(() => document.querySelector("#matrix td[data-kind=bad] button"));
  const mistakes = [...document.querySelectorAll("#matrix td[data-kind=bad] button")];
  mistakes.sort((one, other) => other.textContent - one.textContent)[0].click();
  await wait(() => document.querySelector("#images img"));
  await wait(() => [...document.images].every(image => image.complete));
  document.activeElement.blur();
  window.scrollTo(0, 0);
})();
</script>
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--chromium", help="the program; one on the path by default")
    parser.add_argument("--folder", type=Path, default=ROOT / "docs" / "images")
    arguments = parser.parse_args()
    chromium = arguments.chromium or next(filter(None, map(shutil.which, PROGRAMS)), None)
    if chromium is None:
        print("No screenshots: Chromium is missing (Debian: apt install chromium)", file=sys.stderr)
        return 0
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="screenshots-") as scratch, running_emulator() as endpoint:
        train(endpoint, demo_photographs(Path(scratch) / "photographs"))
        with forwarding(endpoint) as address:
            take(chromium, address + PAGE, arguments.folder / "insight.png", Path(scratch))
    return 0


@contextmanager
def running_emulator() -> Iterator[str]:
    """The endpoint of an emulator that ends with the block."""
    command = [sys.executable, "-m", "emulator", "serve", "--ephemeral", "--port", "0", "--quiet"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CUSTOM_VISION_")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=clean) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


def demo_photographs(folder: Path) -> dict[str, list[Path]]:
    """The photographs that `make demo` trains on, by tag."""
    subprocess.run(
        [sys.executable, str(ROOT / "tools" / "demo_images.py"), str(folder)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    tags = sorted(path for path in folder.iterdir() if path.is_dir() and path.name != "unseen")
    return {path.name: sorted(path.glob("*.jpg")) for path in tags}


def train(endpoint: str, photographs: dict[str, list[Path]]) -> None:
    """Train a project whose tags are those of the folders, except for WRONG_TAGS."""
    trainer = CustomVisionTrainingClient(
        endpoint, ApiKeyCredentials(in_headers={"Training-key": DEFAULT_TRAINING_KEYS[0]})
    )
    project = trainer.create_project("Ground", classification_type="Multiclass")
    ids = {tag: trainer.create_tag(project.id, tag).id for tag in photographs}
    for folder, paths in photographs.items():
        wrong = [tag for source, tag, number in WRONG_TAGS if source == folder for _ in range(number)]
        tags = wrong + [folder] * (len(paths) - len(wrong))
        images = [
            ImageFileCreateEntry(name=path.name, contents=path.read_bytes(), tag_ids=[ids[tag]])
            for path, tag in zip(paths, tags, strict=True)
        ]
        trainer.create_images_from_files(project.id, ImageFileCreateBatch(images=images))
    iteration = trainer.train_project(project.id)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while iteration.status not in ("Completed", "Failed") and time.monotonic() < deadline:
        time.sleep(0.2)
        iteration = trainer.get_iteration(project.id, iteration.id)
    if iteration.status != "Completed":
        raise SystemExit(f"the training ended as {iteration.status}")


@contextmanager
def forwarding(endpoint: str) -> Iterator[str]:
    """The address of a server that forwards GET requests to the emulator and adds SCRIPT to the page.

    The page asks for the training key; a command line of Chromium cannot type it.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = {name: self.headers[name] for name in ("Training-Key",) if name in self.headers}
            request = urllib.request.Request(endpoint + self.path, headers=headers)
            try:
                with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as response:
                    status, kind, body = response.status, response.headers["Content-Type"], response.read()
            except urllib.error.HTTPError as error:
                status, kind, body = error.code, error.headers["Content-Type"], error.read()
            if self.path.partition("?")[0] == PAGE:
                body += (SCRIPT % DEFAULT_TRAINING_KEYS[0]).encode()
            self.send_response(status)
            self.send_header("Content-Type", kind or "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def take(chromium: str, url: str, picture: Path, scratch: Path) -> None:
    """Write what Chromium shows of a page after all its requests were answered."""
    command = [
        chromium,
        *CHROMIUM_OPTIONS,
        f"--user-data-dir={scratch / 'profile'}",
        f"--window-size={WIDTH},{HEIGHT}",
        "--virtual-time-budget=20000",
        f"--screenshot={picture}",
        url,
    ]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    if ran.returncode or not picture.exists():
        raise SystemExit(f"Chromium took no screenshot:\n{ran.stderr}")
    print(f"{picture}: {picture.stat().st_size // 1000} kB")


if __name__ == "__main__":
    sys.exit(main())
