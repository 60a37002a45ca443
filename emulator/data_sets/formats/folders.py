"""Folders: the images of a tag are in the folder with its name. An image in several folders has several tags.

YOLO's data sets for classification are the same, below folders of their parts.
"""

from collections.abc import Iterator, Mapping

from emulator.data_sets.reading import SPLITS, Reading
from emulator.data_sets.record import (
    NEGATIVE,
    DataSet,
    DataSetUnreadable,
    ImageLabels,
    Place,
    Problems,
    TagInfo,
)
from emulator.data_sets.writing import Output, folder_names

UNTAGGED_FOLDER, NEGATIVE_FOLDER = "_untagged", "_negative"


def is_divided(reading: Reading) -> bool:
    """Whether all images are in folders of tags, in folders of the parts of a data set."""
    parts = [name.split("/") for name in reading.images]
    return bool(parts) and all(len(path) > 2 and path[0].lower() in SPLITS for path in parts)


def read(reading: Reading) -> DataSet:
    """Read the images in folders. Raises DataSetUnreadable."""
    divided = is_divided(reading)
    data = DataSet("yolo-classification" if divided else "folders", detection=False)
    for name in reading.images:
        place = Place(name)
        path = name.split("/")
        split = SPLITS[path.pop(0).lower()] if divided else None
        folder = path[0] if len(path) > 1 else UNTAGGED_FOLDER
        if len(path) > 2:
            reading.problems.note("Of folders in folders, the outer one is the tag.", place)
        tags: tuple[str, ...] = ()
        if folder.lower() == NEGATIVE_FOLDER:
            tags = (data.add_tag(NEGATIVE, NEGATIVE),)
        elif folder.lower() != UNTAGGED_FOLDER:
            tag = reading.tag(folder, place)
            tags = () if tag is None else (data.add_tag(tag),)
        data.images.append(ImageLabels(name, place, tags=tags, split=split))
    if not data.images:
        raise DataSetUnreadable("There are no images.")
    return data


def write(data: DataSet, losses: Problems) -> Iterator[Output]:
    """The images in folders of their tags; images with several tags in several folders."""
    folders = _folders(data, losses)
    for image in data.images:
        for folder in [folders[tag] for tag in _tags(image)] or [UNTAGGED_FOLDER]:
            yield Output(f"{folder}/{image.file}", image)


def write_for_yolo(data: DataSet, losses: Problems) -> Iterator[Output]:
    """The images in folders of their tags, in the folder `train`. Raises DataSetUnreadable for several."""
    several = sum(len(_tags(image)) > 1 for image in data.images)
    if several:
        raise DataSetUnreadable(
            f"{several:,} images have several tags, which YOLO cannot express; use the format folders or csv."
        )
    if data.images and not any(map(_tags, data.images)):
        raise DataSetUnreadable(
            f"None of the {len(data.images):,} images has a tag, and YOLO leaves out images without one; use "
            "the format folders or csv."
        )
    folders = _folders(data, losses)
    untagged = 0
    for image in data.images:
        if not _tags(image):
            untagged += 1
            continue
        yield Output(f"train/{folders[_tags(image)[0]]}/{image.file}", image)
    losses.note("Images without a tag are left out.", count=untagged)


def _tags(image: ImageLabels) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*image.tags, *image.boxed_tags)))


def _folders(data: DataSet, losses: Problems) -> dict[str, str]:
    losses.note("Boxes are left out.", count=sum(len(image.boxes) for image in data.images))
    return _folders_of(data.tags, losses)


def _folders_of(tags: Mapping[str, TagInfo], losses: Problems) -> dict[str, str]:
    """The folder of each tag, by its name."""
    regular = [tag.name for tag in tags.values() if tag.type != NEGATIVE]
    folders = folder_names(regular, losses, (UNTAGGED_FOLDER, NEGATIVE_FOLDER))
    return folders | {tag.name: NEGATIVE_FOLDER for tag in tags.values() if tag.type == NEGATIVE}


def names_read(tags: Mapping[str, TagInfo]) -> dict[str, str]:
    """The names that `read` gives tags after they were written, by their own names."""
    folders = _folders_of(tags, Problems())
    return {name: NEGATIVE if folder == NEGATIVE_FOLDER else folder for name, folder in folders.items()}
