"""Features of uploaded images for the instant trainer, so that trainings need not decode them again."""

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emulator.vision.instant.feature_memory import FeatureMemory


class InstantFeatures:
    """Features by the blob of an image. They follow from its bytes alone, so they are never outdated."""

    @cached_property
    def memory(self) -> "FeatureMemory":
        """The features, as trainings read them."""
        # Images are uploaded before the first training, which then need not wait for this import.
        import emulator.vision.instant.train  # noqa: F401
        from emulator.vision.instant.feature_memory import FeatureMemory

        return FeatureMemory()

    def remember(self, blob: str, data: bytes) -> None:
        """Compute and keep the features of an image that was accepted, unless they are known."""
        from emulator.vision.imaging.decode import ImageRejected
        from emulator.vision.instant.features import image_features

        if self.memory.get(blob) is not None:
            return
        try:
            self.memory.put(blob, image_features(data))
        except (ImageRejected, OSError, MemoryError):
            return  # the training reads the image again, and reports it
