"""Sessions of ONNX Runtime, which is imported by the first one, and the limits that they share."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

# The number of images that detectors and exported models score at once, in this process.
processors = threading.BoundedSemaphore(os.cpu_count() or 1)


class ModelUnusable(Exception):
    """The file is not a model that this program can run; the message says why."""


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
