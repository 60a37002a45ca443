"""Independent readers and writers of the formats agree with ours on every box.

datumaro and supervision are too heavy to be installed with the tests (894 MB together). Once, datumaro
1.13.12 read our COCO, CVAT, VOC, YOLO and Darknet with every box within 0.005 pixels, since it rounds to
hundredths, and supervision 0.31.2 our COCO and YOLO within 0.00004. supervision reads VOC as the devkit
writes it: it subtracts 1 from left and top, of ours too.
"""

import json
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path

import globox
import pytest
from pycocotools.coco import COCO

from emulator.data_sets import formats
from emulator.data_sets.frames import boxes_in_fractions
from emulator.data_sets.record import DataSet
from tests.support.data_sets import boxed_set, reading_of_folder, write_files, written

# Tag, left, top, right and bottom in pixels of each box, by the name of the image without its suffix.
Boxes = dict[str, list[tuple[str, float, float, float, float]]]

PIXELS = 0.01


def boxes_of(data: DataSet) -> Boxes:
    found: Boxes = {}
    for image in data.images:
        assert image.size is not None
        width, height = image.size
        found[Path(image.file).stem] = [
            (
                box.tag,
                box.left * width,
                box.top * height,
                (box.left + box.width) * width,
                (box.top + box.height) * height,
            )
            for box in image.boxes
        ]
    return found


def read_by_us(folder: Path, size: tuple[int, int]) -> Boxes:
    reading = reading_of_folder(folder)
    data = formats.read(reading)
    for image in data.images:
        image.boxes = boxes_in_fractions(image, b"", size, reading.problems)
        image.size = size
    assert reading.problems.error_count == 0, [problem.message for problem in reading.problems]
    return boxes_of(data)


def assert_equal(found: Boxes, expected: Boxes, pixels: float = PIXELS) -> None:
    # Some readers leave out images without boxes.
    assert {name for name in found if found[name]} == {name for name in expected if expected[name]}
    for name, boxes in expected.items():
        for one, other in zip(sorted(found.get(name, [])), sorted(boxes), strict=True):
            assert one[0] == other[0]
            assert one[1:] == pytest.approx(other[1:], abs=pixels)


def panlabel(*arguments: str) -> None:
    program = Path(sysconfig.get_path("scripts"), "panlabel")
    ran = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def read_by_panlabel(place: Path, format: str) -> Boxes:
    target = place.parent / f"{format}.ir.json"
    panlabel("convert", "-f", format, "-t", "ir-json", "-i", str(place), "-o", str(target))
    content = json.loads(target.read_text())
    names = {one["id"]: one["name"] for one in content["categories"]}
    files = {one["id"]: Path(one["file_name"]).stem for one in content["images"]}
    found: Boxes = {stem: [] for stem in files.values()}
    for label in content["annotations"]:
        box = tuple(label["bbox"][side] for side in ("xmin", "ymin", "xmax", "ymax"))
        entry = (names[label["category_id"]], *box)
        if entry not in found[files[label["image_id"]]]:  # YOLO's part for validation is the same again
            found[files[label["image_id"]]].append(entry)
    return found


def with_plain_names(tasks: Path) -> Path:
    """The tasks without addresses of local storage, which panlabel does not know."""
    tasks.write_text(tasks.read_text().replace("/data/local-files/?d=", ""))
    return tasks


def of_globox(read: globox.AnnotationSet, names: list[str] | None = None) -> Boxes:
    return {
        Path(one.image_id).stem: [
            (names[int(box.label)] if names else str(box.label), box.xmin, box.ymin, box.xmax, box.ymax)
            for box in one.boxes
        ]
        for one in read
    }


def read_by_pycocotools(folder: Path) -> Boxes:
    coco = COCO(str(folder / "annotations.json"))
    found: Boxes = {Path(image["file_name"]).stem: [] for image in coco.imgs.values()}
    for label in coco.anns.values():
        left, top, width, height = label["bbox"]
        stem = Path(coco.imgs[label["image_id"]]["file_name"]).stem
        found[stem].append((coco.cats[label["category_id"]]["name"], left, top, left + width, top + height))
    return found


NAMES = list(boxed_set(0).tags)
READERS: dict[str, tuple[str, Callable[[Path], Boxes]]] = {
    "COCO by pycocotools": ("coco", read_by_pycocotools),
    "COCO by globox": (
        "coco",
        lambda folder: of_globox(globox.AnnotationSet.from_coco(folder / "annotations.json")),
    ),
    "COCO by panlabel": ("coco", lambda folder: read_by_panlabel(folder / "annotations.json", "coco")),
    "YOLO by globox": (
        "yolo",
        lambda folder: of_globox(
            globox.AnnotationSet.from_yolo_v5(
                folder / "labels/train", image_folder=folder / "images/train", image_extension=".png"
            ),
            NAMES,
        ),
    ),
    "YOLO by panlabel": ("yolo", lambda folder: read_by_panlabel(folder, "yolo")),
    "Darknet by globox": (
        "darknet",
        lambda folder: of_globox(
            globox.AnnotationSet.from_yolo_darknet(
                folder / "obj_train_data", image_folder=folder / "obj_train_data", image_extension=".png"
            ),
            NAMES,
        ),
    ),
    "VOC by globox": (
        "voc",
        lambda folder: of_globox(globox.AnnotationSet.from_pascal_voc(folder / "Annotations")),
    ),
    "VOC by panlabel": ("voc", lambda folder: read_by_panlabel(folder, "voc")),
    "CVAT by globox": (
        "cvat",
        lambda folder: of_globox(globox.AnnotationSet.from_cvat(folder / "annotations.xml")),
    ),
    "CVAT by panlabel": ("cvat", lambda folder: read_by_panlabel(folder / "annotations.xml", "cvat")),
    "Label Studio by panlabel": (
        "label-studio",
        lambda folder: read_by_panlabel(with_plain_names(folder / "tasks.json"), "label-studio"),
    ),
}


@pytest.mark.parametrize("reader", list(READERS))
def test_another_reader_finds_the_boxes_that_we_write(reader: str, tmp_path: Path) -> None:
    name, read = READERS[reader]
    data = boxed_set(5)
    folder = write_files(tmp_path / "data", written(data, name))
    assert_equal(read(folder), boxes_of(data))


# The format of panlabel, and where it writes.
WRITERS = {
    "coco": ("coco", "labels.json"),
    "yolo": ("yolo", ""),
    "voc": ("voc", ""),
    "cvat": ("cvat", "annotations.xml"),
    "label-studio": ("label-studio", "tasks.json"),
}


@pytest.mark.parametrize("format", list(WRITERS))
def test_we_find_the_boxes_that_another_writer_writes(format: str, tmp_path: Path) -> None:
    data = boxed_set(5)
    source = write_files(tmp_path / "coco", written(data, "coco"))
    target = tmp_path / "other"
    target.mkdir()
    name, file = WRITERS[format]
    panlabel(
        "convert", "-f", "coco", "-t", name, "-i", str(source / "annotations.json"),
        "-o", str(target / file), "--allow-lossy",
    )  # fmt: skip
    images = target / "images"
    images.mkdir(exist_ok=True)
    for image in (source / "images").iterdir():
        (images / image.name).write_bytes(image.read_bytes())
    assert_equal(read_by_us(target, (640, 427)), boxes_of(data))
