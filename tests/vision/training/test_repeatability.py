"""The same seed gives the same files, byte by byte, in other processes and with any number of threads."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.long_run import IS_LONG

ROOT = Path(__file__).parents[3]
# Threads and processors of the runs that are compared with the first one.
OTHERS = (("3", "1"), ("1", "2"))[: 2 if IS_LONG else 1]
# What users set, or what their schedulers set for them. Each program below has all of these in its own way.
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def trained(folder: Path, *, threads: str | None, hash_seed: str, processors: str) -> dict[str, str]:
    """The SHA-256 of each file that a separate process wrote."""
    environment = {name: value for name, value in os.environ.items() if name not in THREADS}
    environment["PYTHONHASHSEED"] = hash_seed
    if threads:
        environment |= dict.fromkeys(THREADS, threads)
    finished = subprocess.run(
        [sys.executable, "-m", "tests.support.vision.training_digests", str(folder), processors],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert finished.returncode == 0, finished.stderr
    found: dict[str, str] = json.loads(finished.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
def test_the_same_seed_gives_the_same_files_in_another_process(tmp_path: Path) -> None:
    one = trained(tmp_path / "one", threads=None, hash_seed="1", processors="64")
    others = [
        trained(tmp_path / threads, threads=threads, hash_seed=f"{threads}0", processors=processors)
        for threads, processors in OTHERS
    ]

    assert {name.partition("/")[2] for name in one} == {"model.onnx", "evaluation.npz", ""}
    assert len(one) == 7 * 2 + 2
    assert len(set(one.values())) == len(one)
    for other in others:
        assert {name for name in one if one[name] != other[name]} == set()
