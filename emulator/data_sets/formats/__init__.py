"""The formats: reading a data set in any of them, and writing one."""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, NamedTuple

from emulator.data_sets import side_file
from emulator.data_sets.files import SIDE_FILE
from emulator.data_sets.formats import folders
from emulator.data_sets.reading import Reading
from emulator.data_sets.record import DataSet, DataSetUnreadable, Problems
from emulator.data_sets.side_file import ImageTags
from emulator.data_sets.writing import Output


class Format(NamedTuple):
    """A format.

    Attributes:
        module: in this package, with the functions `read` and `writer`.
        detection, classification: of which projects it can have the labels.
        image_tags: which tags of whole images it has.
    """

    module: str
    title: str
    detection: bool = True
    classification: bool = True
    image_tags: ImageTags = ImageTags.UNBOXED
    writer: str = "write"


FORMATS = {
    "coco": Format("coco", "COCO", image_tags=ImageTags.NONE_BESIDE_BOXES),
    "yolo": Format("yolo", "YOLO, Ultralytics", classification=False, image_tags=ImageTags.NONE_BESIDE_BOXES),
    "darknet": Format(
        "yolo",
        "YOLO, Darknet",
        classification=False,
        image_tags=ImageTags.NONE_BESIDE_BOXES,
        writer="write_darknet",
    ),
    "yolo-classification": Format(
        "folders",
        "YOLO, classification",
        detection=False,
        image_tags=ImageTags.ALL,
        writer="write_for_yolo",
    ),
    "voc": Format("voc", "Pascal VOC", classification=False, image_tags=ImageTags.NONE_BESIDE_BOXES),
    "cvat": Format("cvat", "CVAT for images 1.1"),
    "label-studio": Format("label_studio", "Label Studio"),
    "azure-ml": Format("azure_ml", "Azure Machine Learning", image_tags=ImageTags.NONE_BESIDE_BOXES),
    "csv": Format("csv_tables", "CSV"),
    "folders": Format("folders", "Folders of tags", image_tags=ImageTags.ALL),
}


def read(reading: Reading, format: str | None = None) -> DataSet:
    """Read a data set. Problems with single images are noted in `reading.problems`.

    format: a name in `FORMATS`; None: it is recognized by the files.

    Raises:
        DataSetUnreadable: the files are no data set of the format, or of none that is known.
    """
    if not reading.files.names:
        raise DataSetUnreadable("There are no files.")
    side = side_file.read(reading.files)
    is_empty = side is not None and not side.images and next(iter(reading.images), None) is None
    try:
        chosen = FORMATS[format or recognized(reading)]
    except DataSetUnreadable:
        if not is_empty:
            raise
        chosen = FORMATS["folders"]  # which has no files but those of images
    if is_empty and chosen.module == "folders":
        data = DataSet(format or "folders", detection=False)
    else:
        data = _function(chosen, "read")(reading)
    data.is_empty = is_empty
    _merge_tags(data, reading.problems)
    if side is not None:
        written_names = folders.names_read(side.tags) if chosen.module == "folders" else {}
        side_file.apply(side, data, reading.problems, chosen.image_tags, written_names)
    return data


def recognized(reading: Reading) -> str:
    """The name of the format of files. Raises DataSetUnreadable."""
    from emulator.data_sets.formats import azure_ml, coco, csv_tables, cvat, label_studio, voc, yolo

    by_files: dict[str, Callable[[Reading, str], bool]] = {
        "azure-ml": azure_ml.is_azure_ml,
        "label-studio": label_studio.is_label_studio,
        "coco": coco.is_coco,
        "cvat": cvat.is_cvat,
        "voc": voc.is_voc,
    }
    for name, is_of_format in by_files.items():
        if any(is_of_format(reading, file) for file in reading.files.names):
            return name
    if yolo.is_yolo(reading.files):
        return "yolo"
    if any(csv_tables.header_of(reading.files, file) for file in reading.files.names):
        return "csv"
    if next(iter(reading.images), None) is None:
        raise DataSetUnreadable("It has neither images nor labels in a known format.")
    return "yolo-classification" if folders.is_divided(reading) else "folders"


def write(data: DataSet, format: str, losses: Problems) -> Iterator[Output]:
    """The files of a data set in a format, and `customvision.json` if it is one of a project.

    losses: gets notes about what the format does not represent, while the files are made. Raises
    DataSetUnreadable.
    """
    chosen = FORMATS[format]
    if data.detection and not chosen.detection:
        raise DataSetUnreadable(f"{chosen.title} cannot have boxes. {_alternatives(detection=True)}")
    if not data.detection and not chosen.classification:
        raise DataSetUnreadable(
            f"{chosen.title} cannot have tags of whole images. {_alternatives(detection=False)}"
        )
    outputs: Iterator[Output] = _function(chosen, chosen.writer)(data, losses)
    first = next(outputs, None)  # before anything is written, what the format cannot have is refused
    if data.project is not None:
        yield Output(SIDE_FILE, side_file.content(data))
    if first is not None:
        yield first
        yield from outputs


def _alternatives(*, detection: bool) -> str:
    names = [name for name, one in FORMATS.items() if (one.detection if detection else one.classification)]
    return f"Formats that can: {', '.join(names)}."


def _function(format: Format, name: str) -> Callable[..., Any]:
    function: Callable[..., Any] = getattr(import_module(f"{__name__}.{format.module}"), name)
    return function


def _merge_tags(data: DataSet, problems: Problems) -> None:
    """Make tags one whose names differ in their case alone, as the service does."""
    chosen: dict[str, str] = {}
    for name in data.tags:
        if chosen.setdefault(name.casefold(), name) != name:
            problems.note(f"'{name}' and '{chosen[name.casefold()]}' are read as one tag.")
    if len(chosen) < len(data.tags):
        data.rename_tags({name: chosen[name.casefold()] for name in data.tags})
