"""Sessions of ONNX Runtime, which is imported by the first one, and limits and threads that they share."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

# The number of images that detectors and exported models score at once, in this process.
processors = threading.BoundedSemaphore(os.cpu_count() or 1)
# A run of a network for one image is hardly faster with more.
_MOST_THREADS = 4


class ModelUnusable(Exception):
    """The file is not a model that this program can run; the message says why."""


def scoring_threads() -> int:
    """The number of processors that a run for one image uses in a server.

    The threads of a session help the runs of others when several run at once, and sleep without work: with as
    many runs as processors, throughput and processor time are those of one thread for each run. The outputs
    have the same bits as with one thread.
    """
    return min(_MOST_THREADS, os.cpu_count() or 1)


@cache
def tile_threads() -> ThreadPoolExecutor:
    """Threads of all sessions together: at most one tile per processor is scored at a time.

    Each concurrent run of a session allocates its own memory, which the session keeps.
    """
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="tiles")


def run_outputs(
    session: InferenceSession, outputs: Sequence[str], pixels: NDArray[numpy.uint8]
) -> list[NDArray[numpy.float32]]:
    """Some outputs for one image (side, side, 3), each without the batch axis. Other layers are not run."""
    from onnxruntime import RunOptions

    options = RunOptions()
    options.only_execute_path_to_fetches = True
    (image,) = session.get_inputs()
    return [value[0] for value in session.run(list(outputs), {image.name: pixels[None]}, options)]


def inference_session(model: bytes, threads: int) -> InferenceSession:
    """A session on the CPU that any number of threads may use at once.

    Args:
        model: the content of an ONNX file.
        threads: the number of processors that one run uses.
    """
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Threads that wait for work must sleep: spinning ones would take the processors from everything else.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = InferenceSession(model, options, providers=["CPUExecutionProvider"])
    # The session keeps a copy of the file for a restart with other providers. There are none, and the copy
    # takes as much memory as the weights.
    session._model_bytes = None
    return session
