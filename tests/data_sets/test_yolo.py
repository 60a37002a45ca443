"""Reading and writing YOLO's formats."""

import pytest

from emulator.data_sets import formats
from emulator.data_sets.record import DataSet, DataSetUnreadable, LabeledBox, Problems
from tests.support.data_sets import boxed_set, reading_of, tagged_set, written

SETTINGS = "path: .\ntrain: images/train\nval: images/val\nnames:\n  0: cat\n  1: dog\n"


def read(labels: str, settings: str = SETTINGS) -> tuple[DataSet, list[str], list[str]]:
    files = {"data.yaml": settings, "images/train/a.png": "", "labels/train/a.txt": labels}
    reading = reading_of(files)
    data = formats.read(reading)
    notes = [problem.message for problem in reading.problems if not problem.is_error]
    errors = [f"{one.file}, {one.line}: {one.message}" for one in reading.problems if one.is_error]
    return data, notes, errors


def test_lines_are_centers_and_sizes_in_fractions() -> None:
    data, notes, errors = read("1 0.5 0.5 0.25 0.5\n\n")
    (image,) = data.images
    assert (image.file, image.split, image.in_pixels) == ("images/train/a.png", "train", False)
    assert image.boxes == (LabeledBox("dog", 0.375, 0.25, 0.25, 0.5),)
    assert (list(data.tags), notes, errors) == (["cat", "dog"], [], [])


def test_images_without_labels_are_background() -> None:
    reading = reading_of({"data.yaml": SETTINGS, "images/train/a.png": "", "images/val/b.png": ""})
    assert [(image.split, image.boxes) for image in formats.read(reading).images] == [
        ("train", ()),
        ("val", ()),
    ]


def test_folders_of_the_parts_come_first_in_exports_of_other_tools() -> None:
    reading = reading_of(
        {
            "data.yaml": "names: [cat]\nnc: 1\n",
            "valid/images/a.png": "",
            "valid/labels/a.txt": "0 0.5 0.5 1 1",
            "README.txt": "about",
        }
    )
    (image,) = formats.read(reading).images
    assert (image.split, len(image.boxes)) == ("val", 1)
    assert reading.problems.error_count == 0


def test_further_columns_are_left_out_and_polygons_become_boxes() -> None:
    data, notes, errors = read("0 0.5 0.5 0.2 0.2 0.97\n1 0.1 0.2 0.5 0.2 0.5 0.75\n")
    assert data.images[0].boxes[1] == LabeledBox("dog", 0.1, 0.2, 0.4, 0.55)
    assert notes == [
        "The sixth column (a probability or a track) is left out.",
        "Of polygons, the box around them is read.",
    ]
    assert errors == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2 0.5 0.5 0.1 0.1", "There is no class 2; there are 2."),
        ("-1 0.5 0.5 0.1 0.1", "There is no class -1; there are 2."),
        ("cat 0.5 0.5 0.1 0.1", "It is no object, but 'cat 0.5 0.5 0.1 0.1'."),
        ("0 0.5 0.5 nan 0.1", "It is no object, but '0 0.5 0.5 nan 0.1'."),
        ("0 0.5 0.5", "It is no object, but '0 0.5 0.5'."),
        ("0 320 240 64 64", "Its numbers are not fractions of the sides of the image."),
        ("0 .1 .1 .2 .2 .3 .3 .4", "It has 8 columns, which no object has."),
    ],
)
def test_wrong_lines_are_refused_with_their_number(line: str, message: str) -> None:
    _, _, errors = read(f"0 0.5 0.5 0.1 0.1\n{line}\n")
    assert errors == [f"labels/train/a.txt, 2: {message}"]


@pytest.mark.parametrize(
    ("settings", "message", "line"),
    [
        ("names: {0: a, 2: b}", "Its 'names' do not name the classes from 0 on.", None),
        ("nc: 2", "Its 'names' do not name the classes from 0 on.", None),
        ("a: &a [x]\nnames: [*a, *a]", "It is not YAML: it has an alias.", None),
        ("names: [a\nb: {", "It is not YAML: ", 2),
        ("names: !!python/object/apply:os.system [ls]", "It is not YAML: ", 1),
    ],
)
def test_settings_that_cannot_be_read_are_refused(settings: str, message: str, line: int | None) -> None:
    with pytest.raises(DataSetUnreadable) as refused:
        read("", settings)
    assert str(refused.value).startswith(message)
    assert (refused.value.file, refused.value.line) == ("data.yaml", line)


def test_labels_without_an_image_are_refused() -> None:
    reading = reading_of({"data.yaml": SETTINGS, "images/a.png": "", "labels/b.txt": ""})
    formats.read(reading)
    assert [problem.message for problem in reading.problems] == [
        "There is no image of the labels 'labels/b.txt'."
    ]


@pytest.mark.parametrize("format", ["yolo", "darknet"])
def test_what_is_written_is_read_back_within_a_hundredth_of_a_pixel(format: str) -> None:
    data, losses = boxed_set(4, (10240, 9999)), Problems()
    back = formats.read(reading_of(written(data, format, losses)))
    assert list(back.tags) == list(data.tags)
    for image, again in zip(data.images, back.images, strict=True):
        for one, other in zip(image.boxes, again.boxes, strict=True):
            assert other.tag == one.tag
            for side in ("left", "top", "width", "height"):
                assert getattr(other, side) == pytest.approx(getattr(one, side), abs=1e-9)
    assert [loss.count for loss in losses] == [1]
    with pytest.raises(DataSetUnreadable, match=r"whole images\. Formats that can: .*folders"):
        written(tagged_set([("a",)]), format)


def test_darknet_names_its_classes_in_a_file() -> None:
    files = {"obj.names": "cat\ndog\n\n", "obj_train_data/a.png": "", "obj_train_data/a.txt": "1 .5 .5 1 1"}
    reading = reading_of({**files, "train.txt": "data/obj_train_data/a.png\n"})
    (image,) = formats.read(reading).images
    assert (image.boxes[0].tag, image.split) == ("dog", "train")
