"""The model file of the instant trainer: the features of its images, with their tags or boxes.

The file begins with `INSTANT_MAGIC` and a line of JSON; arrays follow. It has no timestamps and is not
compressed, so that the same training gives the same bytes everywhere.

Axes: K images of the model, F features, T tags, B boxes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from emulator.vision.instant.features import FEATURE_COUNT
from emulator.vision.networks.model_file import INSTANT_MAGIC
from emulator.vision.onnx_runtime import ModelUnusable

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

_MAX_HEADER_BYTES = 2**20
_DIGEST_BYTES = 32


@dataclass(frozen=True, kw_only=True)
class InstantModel:
    """A model of the instant trainer.

    Attributes:
        labels: names of the tags, by their index.
        multilabel: for classifiers, whether an image may have several tags; None for detectors.
        negative: index of the tag of images that show none of the others; None without one.
        half: the distance that halves a share, see `neighbors`.
        keys: SHA-256 of each image, in hexadecimal (K,).
        features_KF: of the images, int16.
        targets_KT: for classifiers, whether the image has the tag, bool; (K, 0) for detectors.
        box_images: for detectors, the image of each box, int32 (B,), rising.
        box_tags: and its tag, int32 (B,).
        boxes: and its left, top, right and bottom, 0..1, float64 (B, 4).
    """

    labels: tuple[str, ...]
    multilabel: bool | None
    negative: int | None
    half: int
    keys: tuple[str, ...]
    features_KF: NDArray[numpy.int16]  # noqa: N815 - the suffix names the axes
    targets_KT: NDArray[numpy.bool_]  # noqa: N815
    box_images: NDArray[numpy.int32]
    box_tags: NDArray[numpy.int32]
    boxes: NDArray[numpy.float64]

    def content(self) -> bytes:
        """The bytes of the file that `read` reads."""
        import numpy

        header = {
            "labels": self.labels,
            "multilabel": self.multilabel,
            "negative": self.negative,
            "half": self.half,
            "images": len(self.features_KF),
            "boxes": len(self.boxes),
        }
        digests = b"".join(bytes.fromhex(key) for key in self.keys)
        arrays = (
            self.features_KF.astype("<i2"),
            numpy.packbits(self.targets_KT),
            self.box_images.astype("<i4"),
            self.box_tags.astype("<i4"),
            self.boxes.astype("<f8"),
        )
        line = json.dumps(header, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
        return INSTANT_MAGIC + line + digests + b"".join(array.tobytes() for array in arrays)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a model file.

        Raises:
            OSError: the file cannot be read.
            ModelUnusable: it is not such a file, or damaged.
        """
        content = path.read_bytes()
        try:
            return cls._parsed(content)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelUnusable(f"{path.name} is not a model of the instant trainer: {error}") from error

    @classmethod
    def _parsed(cls, content: bytes) -> Self:
        import numpy

        if not content.startswith(INSTANT_MAGIC):
            raise ValueError("it begins differently")
        end = content.find(b"\n", len(INSTANT_MAGIC), len(INSTANT_MAGIC) + _MAX_HEADER_BYTES)
        if end < 0:
            raise ValueError("it has no header")
        header: dict[str, Any] = json.loads(content[len(INSTANT_MAGIC) : end])
        labels, multilabel = tuple(header["labels"]), header["multilabel"]
        images, boxes, half = (_whole(header[name]) for name in ("images", "boxes", "half"))
        negative = None if header["negative"] is None else _whole(header["negative"])
        if not labels or not all(isinstance(label, str) for label in labels) or not images or not half:
            raise ValueError("it has no tags or no images")
        if multilabel not in (True, False, None) or (negative is not None and negative >= len(labels)):
            raise ValueError("its header contradicts itself")
        tags = 0 if multilabel is None else len(labels)
        parts = []
        position = end + 1 + images * _DIGEST_BYTES
        digests = (
            content[start : start + _DIGEST_BYTES] for start in range(end + 1, position, _DIGEST_BYTES)
        )
        for kind, count in (
            ("<i2", images * FEATURE_COUNT),
            ("u1", -(-images * tags // 8)),
            ("<i4", boxes),
            ("<i4", boxes),
            ("<f8", boxes * 4),
        ):
            # Raises ValueError when the content is too short.
            parts.append(numpy.frombuffer(content, kind, count, position))
            position += parts[-1].nbytes
        if position != len(content):
            raise ValueError("it has another length than announced")
        features, bits, box_images, box_tags, places = parts
        for numbers, count in ((box_images, images), (box_tags, len(labels))):
            if len(numbers) and not (numbers.min() >= 0 and numbers.max() < count):
                raise ValueError("a box has no image or no tag")
        if not (numpy.isfinite(places) & (places >= 0) & (places <= 1)).all():
            raise ValueError("a box is not inside of its image")
        return cls(
            labels=labels,
            multilabel=multilabel,
            negative=negative,
            half=half,
            keys=tuple(digest.hex() for digest in digests),
            features_KF=features.reshape(images, FEATURE_COUNT).astype(numpy.int16),
            targets_KT=numpy.unpackbits(bits, count=images * tags).reshape(images, tags) > 0,
            box_images=box_images.astype(numpy.int32),
            box_tags=box_tags.astype(numpy.int32),
            boxes=places.reshape(-1, 4).astype(numpy.float64),
        )


def is_instant(path: Path) -> bool:
    """Whether a file begins like a model of the instant trainer. Raises OSError."""
    with path.open("rb") as file:
        return file.read(len(INSTANT_MAGIC)) == INSTANT_MAGIC


def _whole(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**31:
        raise ValueError(f"{value!r} is not a number of something")
    return value
