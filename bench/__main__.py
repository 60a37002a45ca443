"""`python -m bench [NAME ...]`: measure, print a table, and write JSON under ``bench/results``."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback

from bench import programs, report
from bench.load import WrongAnswer
from bench.programs import BenchFailed

BENCHMARKS = {
    "startup": "start, idle memory and end, beside Azurite and moto",
    "prediction": "one picture to its prediction, over decoding and running the model in a bare loop",
    "scoring": "one picture to its prediction in the library, over Pillow and ONNX Runtime alone",
    "upload": "1,000 photographs through the official SDK, and training on them",
    "lists": "listing and counting in a project of 100,000 images, over one of 1,000",
    "soak": "64 clients for two minutes, and whether everything is as they were told",
    "management": "the small requests, beside Azurite; reset",
    "insight": "what a model gets wrong, for 10,000 images over 1,000; near-duplicates among 10,000",
    "serving": "one exported model served alone, over a bare loop",
    "training_memory": "the worker's memory in trainings of 10,000 images",
}
BUSY = 0.5


def main() -> int:
    """Run the benchmarks that are named, or all. A budget that is missed is no failure; the table says it."""
    described = "\n".join(f"  {name:<16}{text}" for name, text in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=f"{report.__doc__}\n\n{described}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="*", choices=[*BENCHMARKS, []], help="what to measure (all)")
    names = parser.parse_args().name or list(BENCHMARKS)
    print(f"Measured on {report.machine()}.")
    for line in programs.missing_peers():
        print(f"Not compared with {line}")
    status = 0
    for name in names:
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
        busy = "" if load is None or load < BUSY else f"  (load {load:.1f}: others are at work, expect noise)"
        print(f"\n{name}: {BENCHMARKS[name]}{busy}", flush=True)
        try:
            report.publish(name, list(importlib.import_module(f"bench.{name}").measure()), load)
        except (BenchFailed, WrongAnswer) as error:
            print(f"{name}: {error}", file=sys.stderr)
            status = 1
        except Exception:  # noqa: BLE001  (the other benchmarks can still run)
            traceback.print_exc()
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
