"""Read labelled images from folders in common formats.

All functions raise `ValueError`, with a message for the user, if the data cannot be read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from emulator.vision.library.datasets import Dataset, Region, Sample

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png"})
LABELS_FILE = "labels.jsonl"
_SIDES = ("left", "top", "width", "height")


def read_dataset(place: str | Path) -> Dataset:
    """Read the dataset in a folder, or of the file that describes it. The format is recognised:

    * `labels.jsonl`: see `read_labels`;
    * one JSON file in COCO's format, in the folder or in its subfolder `annotations`: see `read_coco`;
    * subfolders `images` and `labels`: see `read_yolo`;
    * a subfolder for each tag: see `read_folders`.
    """
    place = Path(place)
    if place.is_file():
        return read_labels(place.parent) if place.name == LABELS_FILE else read_coco(place)
    if not place.is_dir():
        raise ValueError(f"there is no folder {str(place)!r}")
    if (place / LABELS_FILE).is_file():
        return read_labels(place)
    if (place / "images").is_dir() and (place / "labels").is_dir():
        return read_yolo(place)
    annotations = [
        path for path in sorted([*place.glob("*.json"), *place.glob("annotations/*.json")]) if _is_coco(path)
    ]
    if len(annotations) > 1:
        names = ", ".join(path.name for path in annotations)
        raise ValueError(f"{str(place)!r} has several files with annotations; name one of them: {names}")
    return read_coco(annotations[0]) if annotations else read_folders(place)


def read_folders(folder: str | Path, *, multilabel: bool = False, negative: str | None = None) -> Dataset:
    """Read a classification dataset: a subfolder of images for each tag, with its name.

    Args:
        multilabel: an image may be in the folders of several tags, as identical files.
        negative: the tag of images that show none of the other tags.
    """
    folder = _folder(folder)
    samples = [
        Sample(path, tags=(of_tag.name,))
        for of_tag in sorted(folder.iterdir())
        if of_tag.is_dir() and not of_tag.name.startswith(".")
        for path in _images_in(of_tag)
    ]
    if not samples:
        raise ValueError(
            f"{str(folder)!r} holds no set: neither {LABELS_FILE}, nor annotations in COCO's format, nor "
            "folders images and labels, nor a folder for each tag with images in it"
        )
    return Dataset.of(samples, multilabel=multilabel, negative=negative)


def read_labels(folder: str | Path, *, negative: str | None = None) -> Dataset:
    """Read a file `labels.jsonl`, which has one JSON object per line.

    It has `file` (relative to the folder); `tags` (names) or, for a detection dataset, `boxes` (each with
    `tag`, and `left`, `top`, `width`, `height` as fractions of the image's sides); and optionally `split`.
    """
    folder = _folder(folder)
    samples, boxed = [], set()
    for number, line in enumerate(_text(folder / LABELS_FILE).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            boxes = entry.get("boxes")
            boxed.add(boxes is not None)
            tags = () if boxes is not None else tuple(sorted({str(tag) for tag in entry["tags"]}))
            regions = tuple(
                Region(str(box["tag"]), *(float(box[side]) for side in _SIDES)) for box in boxes or ()
            )
            samples.append(Sample(folder / entry["file"], tags, regions, entry.get("split")))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"line {number} of {LABELS_FILE} does not describe an image: {error!r}"
            ) from error
    if len(boxed) > 1:
        raise ValueError(f"in {LABELS_FILE} some images have boxes, and others have tags instead")
    return Dataset.of(samples, detection=True in boxed, negative=negative)


def read_coco(file: str | Path, images: str | Path | None = None) -> Dataset:
    """Read a detection dataset in COCO's format: a JSON file with `images`, `categories` and `annotations`.

    Boxes of crowds and categories without boxes are left out. Images without boxes are examples of
    background.

    Args:
        images: the folder of the images; None takes the folder of the file, `images` in it, or `images`
            beside it.
    """
    file = Path(file)
    try:
        content = json.loads(_text(file))
        categories = {entry["id"]: str(entry["name"]) for entry in content["categories"]}
        sizes = {entry["id"]: (entry["width"], entry["height"]) for entry in content["images"]}
        regions: dict[Any, list[Region]] = {}
        for entry in content["annotations"]:
            if not entry.get("iscrowd"):
                width, height = sizes[entry["image_id"]]
                left, top, *sides = (float(number) for number in entry["bbox"])
                place = (left / width, top / height, sides[0] / width, sides[1] / height)
                regions.setdefault(entry["image_id"], []).append(
                    Region(categories[entry["category_id"]], *place)
                )
        names = {entry["id"]: str(entry["file_name"]) for entry in content["images"]}
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise ValueError(f"{file.name} is not in COCO's format: {error!r}") from error
    places = (
        [Path(images)] if images else [file.parent, file.parent / "images", file.parent.parent / "images"]
    )
    return Dataset.of(
        [
            Sample(_first_there([place / name for place in places]), regions=tuple(regions.get(number, ())))
            for number, name in names.items()
        ],
        detection=True,
    )


def read_yolo(folder: str | Path, names: Sequence[str] | None = None) -> Dataset:
    """Read a detection dataset in YOLO's format.

    `labels/X.txt` describes `images/X.jpg`. Each line is an object: the index of its class, and the centre,
    width and height of its box as fractions of the image's sides. Images without a label file, or with an
    empty one, are examples of background. Subfolders of `images` (`train`, `val`) are splits.

    Args:
        names: of the classes; None reads them from `classes.txt`, one per line, or from `names` in
            `data.yaml`.
    """
    folder = _folder(folder)
    known = list(names) if names is not None else _class_names(folder)
    samples = []
    for image in _images_in(folder / "images", deep=True):
        inner = image.relative_to(folder / "images")
        label_file = (folder / "labels" / inner).with_suffix(".txt")
        regions = []
        for line in _text(label_file).splitlines() if label_file.is_file() else ():
            try:
                number, across, down, width, height = (float(word) for word in line.split()[:5])
                tag = known[int(number)]
            except (ValueError, IndexError) as error:
                raise ValueError(
                    f"{label_file} has a line that describes no object: {line[:100]!r}"
                ) from error
            regions.append(Region(tag, across - width / 2, down - height / 2, width, height))
        split = inner.parts[0] if len(inner.parts) > 1 else None
        samples.append(Sample(image, regions=tuple(regions), split=split))
    return Dataset.of(samples, detection=True)


def _class_names(folder: Path) -> list[str]:
    for listed in (folder / "classes.txt", folder / "labels" / "classes.txt"):
        if listed.is_file():
            return _text(listed).split("\n")
    if not (folder / "data.yaml").is_file():
        raise ValueError(
            f"{str(folder)!r} has neither classes.txt nor data.yaml, which would name the classes"
        )
    try:
        import yaml
    except ImportError as error:
        raise ValueError(
            "reading data.yaml needs the package pyyaml; or name the classes in classes.txt"
        ) from error
    try:
        named = yaml.safe_load(_text(folder / "data.yaml"))["names"]
        return [str(named[number]) for number in range(len(named))]
    except (KeyError, TypeError, yaml.YAMLError) as error:
        raise ValueError(f"data.yaml does not name the classes: {error!r}") from error


def _is_coco(path: Path) -> bool:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and {"images", "annotations", "categories"} <= content.keys()


def _folder(folder: str | Path) -> Path:
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"there is no folder {str(folder)!r}")
    return folder


def _images_in(folder: Path, *, deep: bool = False) -> Iterator[Path]:
    search: Callable[[str], Iterator[Path]] = folder.rglob if deep else folder.glob
    yield from sorted(path for path in search("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def _first_there(places: list[Path]) -> Path:
    """The first of these files that exists; if none does, the first, for the error message."""
    return next((place for place in places if place.is_file()), places[0])


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"cannot read {str(path)!r}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not a text in UTF-8") from error
