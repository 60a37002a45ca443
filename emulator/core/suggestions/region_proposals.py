"""Region proposals: boxes in an image of the workspace that probably hold some object."""

import threading
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.core import lookup
from emulator.core.errors import ServiceError
from emulator.core.labels.image_tags import workspace_images
from emulator.core.scored_rows.scores import BoundingBox

if TYPE_CHECKING:
    from emulator.core.context import Context
    from emulator.vision.detection.proposals import ProposalSession

# Making the model takes a second; a training that runs goes first.
_PATIENCE_SECONDS = 20.0


def propose(context: "Context", project_id: str, image_id: str) -> list[tuple[float, BoundingBox]]:
    """Boxes and how sure they are (0 to 1), the surest last; those of any project, trained or not."""
    from emulator.vision.imaging.decode import ImageRejected

    with context.database.read() as session:
        lookup.project(session, project_id)
        image = workspace_images(session, project_id, [image_id]).get(image_id)
    no_image = ServiceError("NotFoundImage", f"Image not found: {image_id}")
    if image is None:
        raise no_image
    try:
        data = context.blobs.read(image.blob)
    except FileNotFoundError:  # deleted between the look-up and now
        raise no_image from None
    try:
        boxes = context.proposal_model.session().score(data)
    except ImageRejected as rejected:
        raise ServiceError("BadRequestImageFormat", f"Image {image_id} can't be read: {rejected}") from None
    return [
        (box.probability, BoundingBox(box.left, box.top, box.width, box.height)) for box in reversed(boxes)
    ]


class ProposalModel:
    """The model of region proposals: made by the worker when first needed, kept in the data folder."""

    def __init__(self, context: "Context") -> None:
        self._context = context
        self._lock = threading.Lock()
        self._session: ProposalSession | None = None
        self._writing: Future[Any] | None = None

    def session(self) -> "ProposalSession":
        """The loaded model. Raises ServiceError when it can't be made, or not soon."""
        from emulator.vision.onnx_runtime import ModelUnusable

        if self._session is not None:
            return self._session
        path = self._path()
        try:
            return self._load(path)
        except (OSError, ModelUnusable):  # not there yet, or damaged
            self._write(path)
        try:
            return self._load(path)
        except (OSError, ModelUnusable) as error:
            raise ServiceError("ErrorRegionProposal", f"Region proposals can't be made: {error}") from None

    def _path(self) -> Path:
        from emulator.vision.networks.nanodet import WEIGHTS_SHA256

        return self._context.folder / f"region-proposals-{WEIGHTS_SHA256[:12]}.onnx"

    def _load(self, path: Path) -> "ProposalSession":
        from emulator.vision.detection.proposals import ProposalSession

        with self._lock:
            if self._session is None:
                self._session = ProposalSession(path)
            return self._session

    def _write(self, path: Path) -> None:
        from emulator.vision.detection.proposals import write_proposal_model

        with self._lock:
            # Requests that come at the same time wait for the same file.
            if self._writing is None or self._writing.done():
                self._writing = self._context.worker.submit(write_proposal_model, path)
            writing = self._writing
        try:
            writing.result(_PATIENCE_SECONDS)
        except TimeoutError:
            raise ServiceError(
                "ErrorRegionProposal",
                "The model of region proposals is made when the running training has ended; try again then.",
            ) from None
        # CancelledError is an Exception; jobs fail in more ways than rules need to know.
        except Exception as error:  # noqa: BLE001
            raise ServiceError("ErrorRegionProposal", f"Region proposals can't be made: {error}") from None
