"""Labelled images: files, bytes or arrays, with tags or regions.

`readers` makes datasets from folders; `Dataset.of_arrays` from arrays in memory.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.vision.boxes.box import Box, TaggedBox
from emulator.vision.classification.dataset import ClassificationDataset, LabelledImage
from emulator.vision.detection.dataset import BoxedImage, DetectionDataset
from emulator.vision.recipes.domains import ANOMALY

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    # RGB, (height, width, 3), 0..255.
    Pixels = NDArray[numpy.uint8]
    ImageInput = Path | bytes | Pixels

# How far rounding may place a box outside of its image, as a fraction of its side.
_TOLERANCE = 0.01


@dataclass(frozen=True)
class _Tagged:
    tag: str


@dataclass(frozen=True)
class Region(Box, _Tagged):
    """An object of an image: its tag and its box. ``Region("scratch", left, top, width, height)``."""


@dataclass(frozen=True, eq=False)
class Sample:
    """An image and its labels.

    Attributes:
        image: a file, the bytes of one, or pixels.
        tags: of the whole image; for detection, those of its regions.
        regions: objects; only for detection.
        split: "train", "test" or another name, if the dataset is divided.
    """

    image: ImageInput
    tags: tuple[str, ...] = ()
    regions: tuple[Region, ...] = ()
    split: str | None = None

    @property
    def name(self) -> str:
        """For messages."""
        return str(self.image) if isinstance(self.image, Path) else "an image in memory"


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images.

    Attributes:
        samples: in any order, which does not affect training.
        tags: in the order of a model's outputs.
        detection: the images have regions; else they have tags.
        multilabel: an image may have several tags, or none. Always true for detection.
        negative: the tag of images that show none of the other tags, if there is one.
    """

    samples: tuple[Sample, ...]
    tags: tuple[str, ...]
    detection: bool = False
    multilabel: bool = False
    negative: str | None = None

    @classmethod
    def of(
        cls,
        samples: Iterable[Sample],
        *,
        detection: bool = False,
        multilabel: bool | None = None,
        negative: str | None = None,
    ) -> Dataset:
        """A dataset of samples; its tags are those that occur, sorted by name.

        Args:
            multilabel: None derives it from the samples: whether any has several tags or none.

        Raises:
            ValueError: there are no samples or no tags, or a region is outside of its image.
        """
        samples = tuple(samples)
        if not samples:
            raise ValueError("there are no images")
        if detection:
            samples = tuple(_checked(sample) for sample in samples)
        tags = tuple(sorted({tag for sample in samples for tag in sample.tags}))
        if not tags:
            raise ValueError("none of the images has a tag")
        if negative is not None and negative not in tags:
            raise ValueError(f"no image has the negative tag '{negative}'")
        several = detection or any(len(sample.tags) != 1 for sample in samples)
        return cls(samples, tags, detection, several if multilabel is None else multilabel, negative)

    @classmethod
    def of_arrays(
        cls,
        images: Sequence[Pixels | bytes],
        labels: Sequence[str | Sequence[str]] | None = None,
        *,
        regions: Sequence[Sequence[Region]] | None = None,
        multilabel: bool | None = None,
        negative: str | None = None,
    ) -> Dataset:
        """A dataset of images in memory: RGB pixels (height, width, 3) of type uint8, or the bytes of files.

        Args:
            labels: the tag or tags of each image, for classification.
            regions: the objects of each image, for detection.

        Raises:
            ValueError: not exactly one of `labels` and `regions` is given, its length differs from that of
                `images`, or an image has another shape.
        """
        if (labels is None) == (regions is None):
            raise ValueError("give either labels or regions")
        labelling: Sequence[Any] = labels if labels is not None else regions or ()
        if len(labelling) != len(images):
            raise ValueError(f"there are {len(images)} images, and labels or regions of {len(labelling)}")
        for number, image in enumerate(images):
            shape, kind = getattr(image, "shape", (1, 1, 3)), getattr(image, "dtype", "uint8")
            if len(shape) != 3 or shape[2] != 3 or str(kind) != "uint8":
                raise ValueError(
                    f"image {number} has the shape {tuple(shape)} and the type {kind}; "
                    "wanted are (height, width, 3) and uint8"
                )
        return cls.of(
            [
                Sample(image, tags=(known,) if isinstance(known, str) else tuple(known))
                if regions is None
                else Sample(image, regions=tuple(known))
                for image, known in zip(images, labelling, strict=True)
            ],
            detection=regions is not None,
            multilabel=multilabel,
            negative=negative,
        )

    @property
    def splits(self) -> set[str]:
        """The names of the parts; empty if the dataset is not divided."""
        return {sample.split for sample in self.samples if sample.split is not None}

    def part(self, split: str) -> Dataset:
        """One of these parts, with all tags of the dataset.

        Raises:
            ValueError: there is no such part.
        """
        if split not in self.splits:
            raise ValueError(
                f"there is no part '{split}'; there are {', '.join(sorted(self.splits)) or 'none'}"
            )
        return replace(self, samples=tuple(sample for sample in self.samples if sample.split == split))

    def by_presence(self) -> Dataset:
        """A detection dataset as a classification dataset: an image has the tags of its objects."""
        samples = tuple(replace(sample, regions=()) for sample in self.samples)
        return replace(self, samples=samples, detection=False, multilabel=True)


def with_anomaly_tag(dataset: Dataset) -> Dataset:
    """The dataset for anomaly detection: a negative tag without images is added if there is none."""
    if dataset.negative is not None or ANOMALY in dataset.tags:
        return replace(dataset, negative=dataset.negative or ANOMALY, multilabel=False)
    tags = tuple(sorted((*dataset.tags, ANOMALY)))
    return replace(dataset, tags=tags, negative=ANOMALY, multilabel=False)


@dataclass(frozen=True)
class FileDataset:
    """A dataset with all images in files, as training takes it.

    Attributes:
        names: of the images, for messages, by key.
    """

    dataset: ClassificationDataset | DetectionDataset
    names: dict[str, str]


@contextmanager
def as_files(dataset: Dataset) -> Iterator[FileDataset]:
    """Provide the dataset with its images in files, inside of the `with` block.

    Raises:
        ValueError: a file cannot be read.
    """
    index = {tag: number for number, tag in enumerate(dataset.tags)}
    names: dict[str, str] = {}
    boxed: list[BoxedImage] = []
    labelled: list[LabelledImage] = []
    with tempfile.TemporaryDirectory(prefix="custom-vision-") as folder:
        for sample in dataset.samples:
            path, key = _file_of(sample, Path(folder))
            names[key] = sample.name
            if dataset.detection:
                boxes = tuple(
                    TaggedBox(index[region.tag], region.left, region.top, region.width, region.height)
                    for region in sample.regions
                )
                boxed.append(BoxedImage(str(path), key, boxes))
            else:
                labelled.append(
                    LabelledImage(str(path), key, tuple(sorted(index[tag] for tag in sample.tags)))
                )
        if dataset.detection:
            yield FileDataset(DetectionDataset(tuple(boxed), dataset.tags), names)
        else:
            negative = None if dataset.negative is None else index[dataset.negative]
            yield FileDataset(
                ClassificationDataset(tuple(labelled), dataset.tags, dataset.multilabel, negative), names
            )


def image_bytes(image: ImageInput | str) -> bytes:
    """The bytes of an image file; pixels are encoded without loss.

    Raises:
        ValueError: the file cannot be read, or an array is not an image.
    """
    if isinstance(image, (bytes, bytearray, memoryview)):
        return bytes(image)
    if isinstance(image, (str, Path)):
        try:
            return Path(image).read_bytes()
        except OSError as error:
            raise ValueError(f"cannot read {str(image)!r}: {error.strerror or error}") from error
    return _encoded(image, "BMP")


def _encoded(pixels: Pixels, image_format: str) -> bytes:
    from PIL import Image

    if getattr(pixels, "ndim", None) != 3 or pixels.shape[2] != 3 or str(pixels.dtype) != "uint8":
        raise ValueError("an array of an image has the shape (height, width, 3) and the type uint8")
    buffer = BytesIO()
    options = {"compress_level": 1} if image_format == "PNG" else {}
    Image.fromarray(pixels).save(buffer, image_format, **options)
    return buffer.getvalue()


def _file_of(sample: Sample, folder: Path) -> tuple[Path, str]:
    """The path of the image, which is written to a file if necessary, and its key."""
    if isinstance(sample.image, Path):
        return sample.image, hashlib.sha256(image_bytes(sample.image)).hexdigest()
    data = sample.image if isinstance(sample.image, bytes) else _encoded(sample.image, "PNG")
    key = hashlib.sha256(data).hexdigest()
    path = folder / key
    path.write_bytes(data)
    return path, key


def _checked(sample: Sample) -> Sample:
    """The sample with regions clipped to the image, and their tags."""
    inside = []
    for region in sample.regions:
        right, bottom = region.left + region.width, region.top + region.height
        if not (
            region.width > 0
            and region.height > 0
            and min(region.left, region.top) >= -_TOLERANCE
            and max(right, bottom) <= 1 + _TOLERANCE
        ):
            raise ValueError(
                f"a region of {sample.name} does not lie in it: left {region.left:g}, top {region.top:g}, "
                f"width {region.width:g}, height {region.height:g}, as fractions of its sides"
            )
        left, top = max(0.0, region.left), max(0.0, region.top)
        inside.append(Region(region.tag, left, top, min(1.0, right) - left, min(1.0, bottom) - top))
    tags = tuple(sorted({region.tag for region in inside}))
    return replace(sample, regions=tuple(inside), tags=tags)
