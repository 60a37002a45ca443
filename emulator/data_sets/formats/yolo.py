"""YOLO: a text file of labels beside each image, whose lines are class, center and size in fractions.

Ultralytics: `data.yaml` and folders `images` and `labels`. Darknet: `obj.names` and labels beside the images.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from emulator.data_sets.files import MEGABYTE, Files, folder_of, lines, stem, suffix, text
from emulator.data_sets.reading import SPLITS, Reading, hull, numbers, split_of
from emulator.data_sets.record import (
    DataSet,
    DataSetUnreadable,
    ImageLabels,
    LabeledBox,
    Place,
    Problems,
    box_of,
)
from emulator.data_sets.writing import Output, image_tags

_SETTINGS = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_NAMES = ("obj.names", "classes.txt", "classes.names")
_YAML_BYTES = MEGABYTE
# Texts that are no labels.
_OTHER_TEXTS = frozenset(
    {*_NAMES, "readme.txt", "train.txt", "val.txt", "valid.txt", "test.txt", "notes.txt"}
)
# Values beyond are pixels; boxes of models may stick out a little.
_LARGEST_FRACTION = 1.5


def is_yolo(files: Files) -> bool:
    """Whether the files look like a data set of this format."""
    names = [name.lower() for name in files.names]
    if any(name.rpartition("/")[2] in (*_SETTINGS, *_NAMES, "obj.data") for name in names):
        return True
    return any(
        "/labels/" in f"/{name}" and name.endswith(".txt") and name.rpartition("/")[2] not in _OTHER_TEXTS
        for name in names
    )


def read(reading: Reading) -> DataSet:
    """Read a data set with labels of boxes. Raises DataSetUnreadable."""
    files = reading.files
    classes = _classes(reading)
    data = DataSet("yolo", detection=True)
    for name in classes:
        data.add_tag(name)
    labels = {name for name in files.names if _is_of_labels(name)}
    splits = _listed_splits(reading)
    for image in reading.images:
        of_image = _labels_of(image, labels)
        entry = ImageLabels(image, Place(image), split=splits.get(image) or split_of(image))
        if of_image is not None:
            labels.discard(of_image)
            entry.place = Place(of_image)
            entry.boxes = tuple(_boxes(reading, of_image, classes))
        data.images.append(entry)
    # Elsewhere, texts may be anything.
    for name in sorted(name for name in labels if "labels" in name.split("/")[:-1]):
        if reading.missing_allowed:
            reading.problems.note("Labels of images that are not there are left out.", Place(name))
        else:
            reading.problems.error(f"There is no image of the labels '{name}'.", Place(name))
    return data


def _is_of_labels(name: str) -> bool:
    return suffix(name) == ".txt" and name.rpartition("/")[2].lower() not in _OTHER_TEXTS


def _labels_of(image: str, labels: set[str]) -> str | None:
    """The file of labels of an image: with `labels` for the last `images` of its path, or beside it."""
    base = image[: len(image) - len(suffix(image))]
    parts = base.split("/")
    places = [index for index, part in enumerate(parts[:-1]) if part == "images"]
    if places:
        parts[places[-1]] = "labels"
        moved = "/".join(parts) + ".txt"
        if moved in labels:
            return moved
    beside = f"{base}.txt"
    return beside if beside in labels else None


def _boxes(reading: Reading, name: str, classes: list[str]) -> Iterator[LabeledBox]:
    problems = reading.problems
    for line, content in lines(reading.files, name):
        place = Place(name, line)
        words = content.split()
        values = numbers(words, len(words))
        if values is None or len(values) < 5:
            problems.error(f"It is no object, but {content[:60]!r}.", place)
            continue
        kind, *rest = values
        if kind != int(kind) or not 0 <= kind < len(classes):
            problems.error(f"There is no class {words[0][:20]}; there are {len(classes)}.", place)
            continue
        if len(rest) in (4, 5):
            if len(rest) == 5:
                problems.note("The sixth column (a probability or a track) is left out.", place)
            across, down, width, height = rest[:4]
            box: tuple[float, ...] | None = (across - width / 2, down - height / 2, width, height)
        elif len(rest) % 2 == 0:
            problems.note("Of polygons, the box around them is read.", place)
            box = hull(zip(rest[::2], rest[1::2], strict=True))
        else:
            problems.error(f"It has {len(rest) + 1} columns, which no object has.", place)
            continue
        if max(rest[:4]) > _LARGEST_FRACTION:
            problems.error("Its numbers are not fractions of the sides of the image.", place)
            continue
        assert box is not None
        yield box_of(classes[int(kind)], box)


def _classes(reading: Reading) -> list[str]:
    """The names of the classes, in the order of their numbers. Raises DataSetUnreadable."""
    for name in reading.files.names:
        if name.rpartition("/")[2].lower() in _SETTINGS:
            found = _named(_yaml(reading.files, name), name)
            return [reading.tag(one, Place(name)) or "" for one in found]
    for wanted in _NAMES:
        for name in reading.files.names:
            if name.rpartition("/")[2].lower() == wanted:
                listed = text(reading.files, name).splitlines()
                while listed and not listed[-1].strip():
                    listed.pop()
                return [reading.tag(one, Place(name, line)) or "" for line, one in enumerate(listed, start=1)]
    raise DataSetUnreadable("There is no data.yaml, obj.names or classes.txt, which would name the classes.")


def _named(settings: Any, name: str) -> list[Any]:
    names = settings.get("names") if isinstance(settings, dict) else None
    if isinstance(names, dict):
        numbered = {int(key): value for key, value in names.items() if str(key).isdigit()}
        if len(numbered) == len(names) and sorted(numbered) == list(range(len(numbered))):
            names = [numbered[index] for index in range(len(numbered))]
    if not isinstance(names, list):
        raise DataSetUnreadable("Its 'names' do not name the classes from 0 on.", name)
    return names


def _yaml(files: Files, name: str) -> Any:
    """The value of a YAML file, without aliases, by which small files become huge values."""
    import yaml

    # PyYAML has no types.
    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise yaml.YAMLError("it has an alias")
            return super().compose_node(parent, index)

    if files.size(name) > _YAML_BYTES:
        raise DataSetUnreadable(f"It is larger than {_YAML_BYTES // MEGABYTE} MB.", name)
    try:
        return yaml.load(text(files, name), Loader)  # noqa: S506  (a subclass of the safe loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or str(error) or type(error).__name__
        raise DataSetUnreadable(
            f"It is not YAML: {reason}.", name, None if mark is None else mark.line + 1
        ) from None


def _listed_splits(reading: Reading) -> dict[str, str]:
    """The part of each image that is in a list of images, such as `train.txt`."""
    found: dict[str, str] = {}
    for name in reading.files.names:
        split = SPLITS.get(stem(name).lower())
        if suffix(name) == ".txt" and split is not None:
            for _, listed in lines(reading.files, name):
                with suppress(DataSetUnreadable):
                    found[reading.images.find(listed, folder_of(name))] = split
    return found


def _label_text(image: ImageLabels, numbers: dict[str, int]) -> bytes:
    return "".join(
        f"{numbers[box.tag]} {box.left + box.width / 2:.10f} {box.top + box.height / 2:.10f} "
        f"{box.width:.10f} {box.height:.10f}\n"
        for box in image.boxes
    ).encode()


def _note_losses(data: DataSet, losses: Problems) -> dict[str, int]:
    for image in data.images:
        image_tags(data, image, losses)
    unlabeled = sum(not image.boxes for image in data.images)
    losses.note(
        "Images without boxes are examples of background, whether they were checked or not.", count=unlabeled
    )
    return {name: number for number, name in enumerate(data.tags)}


def write(data: DataSet, losses: Problems) -> Iterator[Output]:
    """The files for Ultralytics, which demands a part for validation: all images are in both parts."""
    import yaml

    numbers = _note_losses(data, losses)
    settings = {
        "path": ".",
        "train": "images/train",
        "val": "images/train",
        "names": {number: name for name, number in numbers.items()},
    }
    yield Output("data.yaml", yaml.safe_dump(settings, sort_keys=False, allow_unicode=True).encode())
    for image in data.images:
        if image.boxes:
            yield Output(f"labels/train/{stem(image.file)}.txt", _label_text(image, numbers))
        yield Output(f"images/train/{image.file}", image)


def write_darknet(data: DataSet, losses: Problems) -> Iterator[Output]:
    """The files for Darknet, which demands a file of labels for each image."""
    numbers = _note_losses(data, losses)
    listed = "".join(f"obj_train_data/{image.file}\n" for image in data.images)
    settings = f"classes = {len(numbers)}\ntrain = train.txt\nvalid = train.txt\n"
    settings += "names = obj.names\nbackup = backup/\n"
    yield Output("obj.data", settings.encode())
    yield Output("obj.names", "".join(f"{name}\n" for name in numbers).encode())
    yield Output("train.txt", listed.encode())
    for image in data.images:
        yield Output(f"obj_train_data/{stem(image.file)}.txt", _label_text(image, numbers))
        yield Output(f"obj_train_data/{image.file}", image)
