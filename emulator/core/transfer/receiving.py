"""Receiving an archive of a project: its blobs are checked and stored, images by decoding them, models by
loading them."""

from collections.abc import Callable, Iterable

from emulator.core.context import Context
from emulator.core.jobs.job_runner import JobFailed
from emulator.core.rules import domains
from emulator.core.transfer.archive import Manifest, Reader


def receive(
    context: Context,
    pieces: Iterable[bytes],
    stored: set[str],
    report: Callable[[float], None] = lambda fraction: None,
) -> Manifest:
    """Store the blobs of the archive that consists of `pieces`; returns its manifest.

    stored: the names of the stored blobs are added to it, also when this fails. report: called with the
    fraction of the bytes that is stored, 0 to 1.

    Raises ArchiveRejected, JobFailed, StorageFull.
    """
    reader = Reader(pieces)
    manifest = reader.manifest()
    size = sum(manifest.blobs.values())
    reason = context.disk.shortage(size)
    if reason is not None:
        raise JobFailed(reason)
    images = manifest.image_blobs
    sizes = {image.blob: (image.width, image.height) for image in manifest.images}
    received = 0
    for digest, content in reader.blobs(manifest):
        if digest in images:
            _check_image(content, sizes[digest])
        context.blobs.put(content)
        stored.add(digest)
        received += len(content)
        report(received / max(size, 1))
    _check_models(context, manifest)
    return manifest


def _check_models(context: Context, manifest: Manifest) -> None:
    from emulator.vision.evaluation.classification import Evaluation
    from emulator.vision.evaluation.detection import DetectionEvaluation

    for iteration in manifest.iterations:
        try:
            domain = domains.find(iteration.domain_id)
            detects = domain is not None and domain.type == "ObjectDetection"
            session = (context.models.detector if detects else context.models.classifier)(iteration.model)
            labels = session.labels
            if iteration.evaluation is not None:
                evaluation = DetectionEvaluation if detects else Evaluation
                evaluation.load(context.blobs.verified_path(iteration.evaluation))
        except Exception as error:
            # An invalid file can cause any exception.
            raise JobFailed(f"The model of '{iteration.name}' does not load: {error}") from error
        if len(labels) != len(iteration.model_tags):
            raise JobFailed(f"The model of '{iteration.name}' has other tags than its iteration.")


def _check_image(content: bytes, size: tuple[int, int]) -> None:
    from emulator.vision.imaging.decode import ImageRejected, inspect_image, stored_size

    try:
        if stored_size(inspect_image(content)) == size:
            return
        reason = "It has another size than announced."
    except ImageRejected as rejected:
        reason = str(rejected)
    raise JobFailed(f"One of the images is not acceptable. {reason}")
