"""`python -m bench [NAME ...]`: measure, print a table, and write JSON under ``bench/results``."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback

from bench import programs, report
from bench.load import UnexpectedResponse
from bench.programs import BenchFailed

BENCHMARKS = {
    "startup": "start, idle memory and stop, compared with Azurite and moto",
    "prediction": "prediction of one image over HTTP, compared with a bare loop",
    "scoring": "prediction of one image in the library, compared with Pillow and ONNX Runtime alone",
    "upload": "upload of 1,000 photographs through the official SDK, and training on them",
    "lists": "listing and counting in a project of 100,000 images, compared with one of 1,000",
    "soak": "64 clients for two minutes, then a check of everything that the server confirmed",
    "faults": "1,000 runs of clients whose calls fail at random, with a check of their effects",
    "hostile": "response times of other clients beside one that sends hostile requests",
    "management": "small requests, compared with Azurite; reset",
    "insight": "confusion matrices and curves of 10,000 images over 1,000; near-duplicates of 10,000",
    "retention": "100,000 stored predictions with retention: memory and disk space",
    "servers": "two servers with one database behind nginx, which are killed; publications",
    "serving": "a server of one exported model, compared with a bare loop",
    "exec": "a command with an emulator of its own, compared with the bare start of the server",
    "instant": "trainings of 100 images by the instant trainer, and predictions",
    "import_data": "import of 10,000 images with 50,000 boxes, and their export",
    "light_install": "disk space of an install for test suites, without the training of networks",
    "portal_images": "grid of the portal with 100,000 images: frames, elements, the way to the end, tagging",
    "portal_views": "gallery of the portal and an image with 300 boxes, until they are drawn",
    "pull": "pull of 10,000 images and 20 iterations with faults, and with 50 kills",
    "request_log": "processor time of small requests with the request log, compared with none",
    "costs": "processor time, transactions and bytes of each operation, for the model of scale",
    "since": "processor time of small requests and predictions, compared with an earlier commit",
    "snapshots": "saving and restoring a project of 50 images and a model; reset",
    "testing": "a session of pytest of 100 tests, each of which trains instantly and predicts",
    "upstream": "response times through the emulator (shadow, record), compared with the upstream alone",
    "cluster": "trainings on a Dask cluster, with two workers and with one",
    "training_memory": "memory of the worker in trainings of 10,000 images",
}
BUSY = 0.5


def main() -> int:
    """Run the named benchmarks, or all. A missed budget is not an error; the table shows it."""
    described = "\n".join(f"  {name:<16}{text}" for name, text in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=f"{report.__doc__}\n\n{described}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="*", choices=[*BENCHMARKS, []], help="benchmarks to run; default: all")
    names = parser.parse_args().name or list(BENCHMARKS)
    print(f"Measured on {report.machine()}.")
    for line in programs.missing_peers():
        print(f"Not compared with {line}")
    status = 0
    for name in names:
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
        busy = (
            ""
            if load is None or load < BUSY
            else f"  (load {load:.1f}: other programs are running, expect noise)"
        )
        print(f"\n{name}: {BENCHMARKS[name]}{busy}", flush=True)
        try:
            report.publish(name, list(importlib.import_module(f"bench.{name}").measure()), load)
        except (BenchFailed, UnexpectedResponse) as error:
            print(f"{name}: {error}", file=sys.stderr)
            status = 1
        except Exception:  # noqa: BLE001  (the other benchmarks can still run)
            traceback.print_exc()
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
