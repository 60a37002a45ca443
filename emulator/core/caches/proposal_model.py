"""The model of region proposals, kept ready to score."""

import threading
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.core.errors import ServiceError
from emulator.core.jobs.worker_protocol import Worker

if TYPE_CHECKING:
    from emulator.vision.detection.proposals import ProposalSession

# Starting the worker and writing the model take two seconds, more on a busy machine.
_MAX_WAIT_SECONDS = 60.0


class ProposalModel:
    """The model of region proposals: written when it is first needed, kept in a folder.

    A worker writes it, so that the server needs no onnx. This worker runs no trainings, so requests do not
    wait for their end.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._session: ProposalSession | None = None
        self._writing: Future[Any] | None = None

    def session(self, worker: Worker) -> "ProposalSession":
        """The loaded model. Raises ServiceError when the worker cannot write it, or not in time."""
        from emulator.vision.onnx_runtime import ModelUnusable

        if self._session is not None:
            return self._session
        path = self._path()
        try:
            return self._load(path)
        except (OSError, ModelUnusable):  # not there yet, or damaged
            self._write(path, worker)
        try:
            return self._load(path)
        except (OSError, ModelUnusable) as error:
            raise ServiceError("ErrorRegionProposal", f"Region proposals can't be made: {error}") from None

    def _path(self) -> Path:
        from emulator.vision.networks.nanodet import WEIGHTS_SHA256

        return self._folder / f"region-proposals-{WEIGHTS_SHA256[:12]}.onnx"

    def _load(self, path: Path) -> "ProposalSession":
        from emulator.vision.detection.proposals import ProposalSession

        with self._lock:
            if self._session is None:
                self._session = ProposalSession.load(path)
            return self._session

    def _write(self, path: Path, worker: Worker) -> None:
        from emulator.vision.detection.proposals import write_proposal_model

        with self._lock:
            # Concurrent requests wait for the same file.
            if self._writing is None or self._writing.done():
                self._writing = worker.submit(write_proposal_model, path)
            writing = self._writing
        try:
            writing.result(_MAX_WAIT_SECONDS)
        except TimeoutError:
            raise ServiceError(
                "ErrorRegionProposal",
                "The model of region proposals was not written within "
                f"{_MAX_WAIT_SECONDS:g} seconds; try again.",
            ) from None
        # A job can raise any exception; CancelledError is one too.
        except Exception as error:  # noqa: BLE001
            raise ServiceError("ErrorRegionProposal", f"Region proposals can't be made: {error}") from None
