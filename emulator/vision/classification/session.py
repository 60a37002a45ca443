"""Running trained models, in the server: ONNX Runtime and NumPy, imported when the first model loads."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.vision.imaging.decode import resize_to_square

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

# Of detectors, so many pictures are scored at a time. For classifiers that limit was measured: 8 clients get
# 7% less done with it. Twice as many runs of their networks cost nothing, and without any limit a session
# keeps the memory of as many runs as there ever were at once.
processors = threading.BoundedSemaphore(os.cpu_count() or 1)
_classifications = threading.BoundedSemaphore(2 * (os.cpu_count() or 1))


class ModelUnusable(Exception):
    """The file is not a classifier that this program wrote."""


class ClassifierSession:
    """A trained classifier, ready to score pictures. May be used by several threads at once.

    Attributes:
        labels: the tags, in the order of the scores.
        multilabel: whether the probabilities are independent of each other, instead of summing to 1.
    """

    def __init__(self, model_path: Path, threads: int = 1) -> None:
        """Load a model.

        Args:
            model_path: the `model.onnx` that a training wrote. It is read once; the file may go afterwards.
            threads: processors that one run uses.

        Raises:
            OSError: the file cannot be read.
            ModelUnusable: the file is not a classifier of this program.
        """
        content = model_path.read_bytes()
        try:
            self._session = inference_session(content, threads)
            metadata = self._session.get_modelmeta().custom_metadata_map
            self.labels: tuple[str, ...] = tuple(json.loads(metadata["emulator.labels"]))
            self.multilabel: bool = json.loads(metadata["emulator.multilabel"])
            self._resolution: int = json.loads(metadata["emulator.resolution"])
        except Exception as error:
            # ONNX Runtime has a dozen exception types without a common one of its own.
            raise ModelUnusable(f"{model_path.name} is not a classifier of this program: {error}") from error

    def score(self, data: bytes) -> list[float]:
        """Probabilities of the labels, in their order: float32 values, 0..1.

        Raises:
            ImageRejected: the bytes are no acceptable picture.
        """
        scores: list[float] = self.score_pixels(resize_to_square(data, self._resolution)[None])[0].tolist()
        return scores

    def score_pixels(self, pixels: NDArray[numpy.uint8]) -> NDArray[numpy.float32]:
        """Probabilities (N, labels) of pictures (N, side, side, 3) that `resize_to_square` made."""
        with _classifications:
            (probabilities,) = self._session.run(None, {"image": pixels})
        result: NDArray[numpy.float32] = probabilities
        return result


def inference_session(model: bytes, threads: int) -> InferenceSession:
    """An ONNX Runtime session on the CPU, for any number of threads; each run uses `threads` processors."""
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Threads that wait for work must sleep: spinning ones would take the processors from everything else.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = InferenceSession(model, options, providers=["CPUExecutionProvider"])
    # Kept for a restart with other providers, of which there are none: as much again as the weights.
    session._model_bytes = None
    return session
