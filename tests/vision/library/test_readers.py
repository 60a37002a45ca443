"""Datasets in common formats, and the errors for those that cannot be read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy
import pytest

from emulator.vision import (
    Dataset,
    Region,
    Sample,
    read_coco,
    read_dataset,
    read_folders,
    read_labels,
    read_yolo,
)
from emulator.vision.library.datasets import as_files
from tests.support.vision.images import drawn, encoded


def put(path: Path, number: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(drawn("dots", number)))
    return path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def described(dataset: Dataset, root: Path) -> list[tuple[object, ...]]:
    """File, tags, rounded regions and split of each sample."""
    return [
        (
            Path(str(sample.image)).relative_to(root).as_posix(),
            sample.tags,
            [
                (each.tag, *(round(n, 3) for n in (each.left, each.top, each.width, each.height)))
                for each in sample.regions
            ],
            sample.split,
        )
        for sample in dataset.samples
    ]


def test_a_folder_for_each_tag(tmp_path: Path) -> None:
    for name in ("b/2.PNG", "b/1.jpg", "a ü/x.gif", ".hidden/x.png", "empty/notes.txt"):
        put(tmp_path / name)

    dataset = read_dataset(tmp_path)

    assert (dataset.tags, dataset.detection, dataset.multilabel) == (("a ü", "b"), False, False)
    assert described(dataset, tmp_path) == [
        ("a ü/x.gif", ("a ü",), [], None),
        ("b/1.jpg", ("b",), [], None),
        ("b/2.PNG", ("b",), [], None),
    ]


def test_one_file_in_several_folders_has_several_tags_where_that_is_allowed(tmp_path: Path) -> None:
    put(tmp_path / "a" / "x.png", 1)
    put(tmp_path / "b" / "y.png", 1)
    put(tmp_path / "none" / "z.png", 2)

    with as_files(read_folders(tmp_path, multilabel=True, negative="none")) as files:
        assert files.dataset.multilabel
        assert files.dataset.negative == 2
        assert len({image.key for image in files.dataset.images}) == 2


@pytest.mark.parametrize("through", ["folder", "file"])
def test_lines_with_tags(tmp_path: Path, through: str) -> None:
    put(tmp_path / "images" / "1.png")
    lines = [
        {"file": "images/1.png", "split": "train", "tags": ["b", "a", "a"]},
        {"file": "images/2.png", "split": "test", "tags": []},
    ]
    write(tmp_path / "labels.jsonl", "\n\n".join(json.dumps(line) for line in lines) + "\n")

    dataset = read_dataset(tmp_path / "labels.jsonl" if through == "file" else tmp_path)

    assert dataset.multilabel
    assert described(dataset, tmp_path) == [
        ("images/1.png", ("a", "b"), [], "train"),
        ("images/2.png", (), [], "test"),
    ]
    assert dataset.splits == {"train", "test"}
    assert described(dataset.part("test"), tmp_path) == [("images/2.png", (), [], "test")]
    assert dataset.part("test").tags == ("a", "b")
    with pytest.raises(ValueError, match="no part 'val'; there are test, train"):
        dataset.part("val")


def test_lines_with_boxes(tmp_path: Path) -> None:
    box = {"tag": "x", "left": 0.1, "top": 0.2, "width": 0.3, "height": 0.805}
    write(
        tmp_path / "labels.jsonl",
        json.dumps({"file": "1.png", "boxes": [box]}) + "\n" + json.dumps({"file": "2.png", "boxes": []}),
    )

    dataset = read_labels(tmp_path)

    assert (dataset.detection, dataset.tags) == (True, ("x",))
    # Boxes that rounding placed slightly outside are clipped.
    assert described(dataset, tmp_path)[0] == ("1.png", ("x",), [("x", 0.1, 0.2, 0.3, 0.8)], None)
    present = dataset.by_presence()
    assert (present.detection, present.multilabel, present.samples[0].tags) == (False, True, ("x",))
    assert present.samples[0].regions == ()


COCO = {
    "images": [
        {"id": 7, "file_name": "a.png", "width": 200, "height": 100},
        {"id": 9, "file_name": "b.png", "width": 10, "height": 10},
    ],
    "categories": [{"id": 1, "name": "scratch"}, {"id": 2, "name": "never"}],
    "annotations": [
        {"image_id": 7, "category_id": 1, "bbox": [20, 10, 100, 50], "iscrowd": 0},
        {"image_id": 7, "category_id": 1, "bbox": [0, 0, 10, 10], "iscrowd": 1},
    ],
}


@pytest.mark.parametrize("place", ["instances.json", "annotations/instances.json"])
def test_boxes_as_coco_has_them(tmp_path: Path, place: str) -> None:
    write(tmp_path / place, json.dumps(COCO))
    write(tmp_path / "notes.json", "[1]")
    put(tmp_path / "images" / "a.png")
    put(tmp_path / "images" / "b.png")

    dataset = read_dataset(tmp_path)

    assert dataset.tags == ("scratch",)
    assert described(dataset, tmp_path) == [
        ("images/a.png", ("scratch",), [("scratch", 0.1, 0.1, 0.5, 0.5)], None),
        ("images/b.png", (), [], None),
    ]


def test_images_of_coco_may_lie_anywhere(tmp_path: Path) -> None:
    write(tmp_path / "x" / "instances.json", json.dumps(COCO))
    put(tmp_path / "elsewhere" / "a.png")

    dataset = read_coco(tmp_path / "x" / "instances.json", tmp_path / "elsewhere")

    assert Path(str(dataset.samples[0].image)).is_file()


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("classes.txt", "dog\ncat\n"),
        ("data.yaml", "names: [dog, cat]\n"),
        ("data.yaml", "nc: 2\nnames:\n  0: dog\n  1: cat\n"),
    ],
)
def test_boxes_as_yolo_has_them(tmp_path: Path, file: str, text: str) -> None:
    write(tmp_path / file, text)
    put(tmp_path / "images" / "train" / "1.png")
    put(tmp_path / "images" / "val" / "2.png")
    write(tmp_path / "labels" / "train" / "1.txt", "1 0.5 0.5 0.2 0.4\n\n".replace("\n\n", "\n"))

    dataset = read_dataset(tmp_path)

    assert described(dataset, tmp_path) == [
        ("images/train/1.png", ("cat",), [("cat", 0.4, 0.3, 0.2, 0.4)], "train"),
        ("images/val/2.png", (), [], "val"),
    ]


def test_classes_of_yolo_may_be_named(tmp_path: Path) -> None:
    put(tmp_path / "images" / "1.png")
    write(tmp_path / "labels" / "1.txt", "0 0.5 0.5 1 1")

    assert read_yolo(tmp_path, names=["dog"]).tags == ("dog",)
    with pytest.raises(ValueError, match=r"neither classes\.txt nor data\.yaml"):
        read_yolo(tmp_path)


def test_images_in_memory(tmp_path: Path) -> None:
    pixels = numpy.asarray(drawn("noise", 1))
    dataset = Dataset.of_arrays([pixels, encoded(drawn("dots", 2))], ["a", "b"])

    with as_files(dataset) as files:
        paths = [Path(image.path) for image in files.dataset.images]
        assert encoded(drawn("dots", 2)) == paths[1].read_bytes()
        from PIL import Image

        assert (numpy.asarray(Image.open(paths[0])) == pixels).all()
    assert not any(path.exists() for path in paths)


BAD_LINE = {"file": "1.png", "boxes": [{"tag": "x", "left": 0.5, "top": 0, "width": 0.6, "height": 1}]}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "holds no set"),
        ({"a.txt": "x"}, "holds no set"),
        ({"labels.jsonl": ""}, "there are no images"),
        ({"labels.jsonl": '{"file": "1.png"'}, "line 1 of labels.jsonl does not describe an image"),
        ({"labels.jsonl": '{"tags": ["a"]}'}, "line 1 of labels.jsonl does not describe an image"),
        ({"labels.jsonl": "[]"}, "line 1 of labels.jsonl does not describe an image"),
        ({"labels.jsonl": '{"file": "1.png", "tags": []}'}, "none of the images has a tag"),
        ({"labels.jsonl": '{"file":"1","tags":["a"]}\n{"file":"2","boxes":[]}'}, "tags instead"),
        ({"labels.jsonl": json.dumps(BAD_LINE)}, "does not lie in it: left 0.5, top 0, width 0.6"),
        ({"a.json": json.dumps(COCO), "b.json": json.dumps(COCO)}, "several files .* a.json, b.json"),
        ({"a.json": json.dumps({**COCO, "images": [{"id": 7}]})}, "a.json is not in COCO's format"),
        (
            {"images/1.png": "", "labels/1.txt": "5 0 0 1 1", "classes.txt": "x"},
            "describes no object: '5 0 0",
        ),
        ({"images/1.png": "", "labels/1.txt": "x", "data.yaml": "nothing: 1"}, "does not name the classes"),
    ],
)
def test_unreadable_data_are_reported(tmp_path: Path, files: dict[str, str], message: str) -> None:
    for name, text in files.items():
        write(tmp_path / name, text)
    with pytest.raises(ValueError, match=message):
        read_dataset(tmp_path)


def test_missing_files_are_reported(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no folder"):
        read_dataset(tmp_path / "missing")
    with (
        pytest.raises(ValueError, match=r"cannot read .*missing\.png"),
        as_files(Dataset.of([Sample(tmp_path / "missing.png", tags=("a",))])),
    ):
        pass


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "either labels or regions"),
        ({"labels": ["a"], "regions": [[]]}, "either labels or regions"),
        ({"labels": ["a", "b"]}, "1 images, and labels or regions of 2"),
        ({"labels": ["a"], "negative": "b"}, "no image has the negative tag 'b'"),
        ({"regions": [[Region("a", 0, 0, 0, 1)]]}, "does not lie in it"),
    ],
)
def test_images_in_memory_need_what_describes_them(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Dataset.of_arrays([encoded(drawn("dots", 1))], **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "pixels", [numpy.zeros((4, 4), numpy.uint8), numpy.zeros((4, 4, 3)), numpy.zeros((4, 4, 4), numpy.uint8)]
)
def test_arrays_are_images(pixels: numpy.ndarray) -> None:
    with pytest.raises(ValueError, match="wanted are"):
        Dataset.of_arrays([pixels], ["a"])
