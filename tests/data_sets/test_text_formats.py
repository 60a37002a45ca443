"""Reading and writing Label Studio, JSON Lines of Azure Machine Learning, and CSV."""

import json
from typing import Any

import pytest

from emulator.data_sets import formats
from emulator.data_sets.formats.azure_ml import PREFIX
from emulator.data_sets.record import DataSet, DataSetUnreadable, LabeledBox, Problems
from tests.support.data_sets import boxed_set, reading_of, tagged_set, written


def read(name: str, content: str | bytes) -> tuple[DataSet, list[str], list[str]]:
    reading = reading_of({"a.png": "", "sub/b.png": "", name: content})
    data = formats.read(reading)
    notes = [problem.message for problem in reading.problems if not problem.is_error]
    errors = [f"{problem.line}: {problem.message}" for problem in reading.problems if problem.is_error]
    return data, notes, errors


# --- Label Studio -------------------------------------------------------------------------------------------


def task(*results: Any, image: str = "a.png", **more: Any) -> str:
    return json.dumps([{"data": {"image": image}, "annotations": [{"result": list(results)}], **more}])


def rectangle(**changes: Any) -> dict[str, Any]:
    value = {"x": 25, "y": 50, "width": 50, "height": 25, "rotation": 0, "rectanglelabels": ["cat"]}
    return {
        "type": "rectanglelabels",
        "original_width": 48,
        "original_height": 36,
        "value": value | changes,
    }


def test_rectangles_are_in_percent_and_choices_are_tags() -> None:
    choice = {"type": "choices", "value": {"choices": ["dog", "cat"]}}
    data, notes, errors = read("tasks.json", task(rectangle(), choice))
    (image,) = data.images
    assert (data.format, image.size, image.in_pixels) == ("label-studio", (48, 36), False)
    assert (image.boxes, image.tags) == ((LabeledBox("cat", 0.25, 0.5, 0.5, 0.25),), ("dog", "cat"))
    assert (notes, errors) == ([], [])


@pytest.mark.parametrize(
    "named",
    [
        "/data/upload/3/0a1b2c3d-a.png",
        "/data/local-files/?d=x%2Fa.png",
        "https://host/x/a.png?sig=1",
        "s3://bucket/a.png",
    ],
)
def test_addresses_of_images_end_in_their_names(named: str) -> None:
    assert read("tasks.json", task(image=named))[0].images[0].file == "a.png"


def test_turned_rectangles_become_the_box_around_them() -> None:
    data, notes, _ = read("tasks.json", task(rectangle(x=50, y=25, width=25, height=50, rotation=90)))
    (box,) = data.images[0].boxes
    # 12 x 18 pixels, turned around the corner at 24, 9.
    assert (box.left * 48, box.top * 36, box.width * 48, box.height * 36) == pytest.approx((6, 9, 18, 12))
    assert notes == ["Of rectangles that are turned, the box around them is read."]


def test_old_names_cancelled_annotations_and_predictions() -> None:
    tasks = [
        {
            "data": {"image": "a.png"},
            "completions": [{"result": [rectangle()]}, {"result": [], "was_cancelled": True}],
            "predictions": [{"result": [rectangle()]}],
        },
        {"data": {"photo": "sub/b.png"}, "annotations": [{"result": []}, {"result": [rectangle()]}]},
    ]
    data, notes, errors = read("tasks.json", json.dumps(tasks))
    assert [len(image.boxes) for image in data.images] == [1, 1]
    assert notes == [
        "Predictions are no labels, and are left out.",
        "Of several annotations of an image, the last one is read.",
    ]
    assert errors == []


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (task(rectangle(x="left")), "A side of a rectangle is no number."),
        (task({"type": "choices"}), "A result has no value."),
        (
            task(rectangle() | {"image_rotation": 90}),
            "The image was turned in Label Studio, which cannot be read.",
        ),
        (task(image="c.png"), "There is no image 'c.png'."),
        ('[{"data": {}, "annotations": 1}]', "The annotations of a task are no list."),
    ],
)
def test_wrong_tasks_are_errors(text: str, error: str) -> None:
    assert f"1: {error}" in read("tasks.json", text)[2]


def test_tasks_without_data_are_refused_with_their_line() -> None:
    with pytest.raises(DataSetUnreadable, match="A task has no 'data'") as refused:
        read("tasks.json", '[{"data": {"image": "a.png"}},\n{"x": 1}]')
    assert (refused.value.file, refused.value.line) == ("tasks.json", 2)


# --- Azure Machine Learning ---------------------------------------------------------------------------------


def line(label: Any, url: str = "azureml://subscriptions/x/datastores/y/paths/z/a.png") -> str:
    return json.dumps({"image_url": url, "label": label}) + "\n"


def corners(**changes: Any) -> dict[str, Any]:
    return {"label": "cat", "topX": 0.25, "topY": 0.5, "bottomX": 0.75, "bottomY": 0.625} | changes


def test_labels_of_all_kinds_of_tasks() -> None:
    data, _, errors = read("train_annotations.jsonl", line("cat"))
    assert (data.format, data.images[0].tags, data.images[0].split) == ("azure-ml", ("cat",), "train")
    assert read("x.jsonl", line(["cat", "dog"]))[0].images[0].tags == ("cat", "dog")
    expected = (LabeledBox("cat", 0.25, 0.5, 0.5, 0.125),)
    assert read("x.jsonl", line([corners()]))[0].images[0].boxes == expected
    # As in the sample of the documentation: one object, with texts.
    assert read("x.jsonl", line(corners(topX="0.25", isCrowd="false")))[0].images[0].boxes == expected
    assert errors == []


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{]\n", "2: It is not JSON: Expecting property name enclosed in double quotes."),
        ("[]\n", "2: It is no JSON object."),
        (line(True), "2: A name of a tag is missing."),
        (line([corners(topX=None)]), "2: A corner of a box is no number."),
        (line([corners(bottomX=400)]), "2: Its corners are not fractions of the sides of the image."),
        (line([corners(label="")]), "2: A name of a tag is missing."),
        (line("cat", "azureml://x/c.png"), "2: There is no image 'x/c.png'."),
    ],
)
def test_wrong_lines_have_their_number(text: str, error: str) -> None:
    assert read("x.jsonl", line("cat") + text)[2] == [error]


def test_the_lines_are_those_of_the_reference() -> None:
    # The package mltable is proprietary and heavy. Once, its version 1.7.0 loaded such a folder: all rows,
    # each image_url a StreamInfo of the datastore, each label as it is in the line.
    files = written(boxed_set(2), "azure-ml")
    entry = json.loads(files["train_annotations.jsonl"].splitlines()[1])
    assert entry["image_url"] == f"{PREFIX}images/image1.png"
    assert entry["image_details"] == {"format": "png", "width": 640, "height": 427}
    assert list(entry["label"][0]) == ["label", "topX", "topY", "bottomX", "bottomY", "isCrowd"]
    assert b"read_json_lines" in files["MLTable"]
    lines = written(tagged_set([("a",), ("b",)]), "azure-ml")["train_annotations.jsonl"].splitlines()
    assert [json.loads(one)["label"] for one in lines] == ["a", "b"]
    lines = written(tagged_set([("a", "b"), ()]), "azure-ml")["train_annotations.jsonl"].splitlines()
    assert [json.loads(one)["label"] for one in lines] == [["a", "b"], []]
    losses = Problems()
    written(tagged_set([("a",), ()]), "azure-ml", losses)
    assert "Images without a tag are left out of the lines." in [loss.message for loss in losses]


# --- CSV ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "box", "in_pixels"),
    [
        ("path,tag,xmin,ymin,xmax,ymax\na.png,cat,1,2,5,8\n", (1, 2, 4, 6), True),
        ("filename;class;xmin;ymin;xmax;ymax\na.png;cat;1,5;2;5,5;8\n", (1.5, 2, 4, 6), True),
        ("image\tlabel\tleft\ttop\tw\th\na.png\tcat\t0.1\t0.2\t0.3\t0.4\n", (0.1, 0.2, 0.3, 0.4), False),
        ("path,tag,xmin,ymin,xmax,ymax,unit\na.png,cat,0,0,1,1,pixel\n", (0, 0, 1, 1), True),
        ("\ufeffPath,Tag,x1,y1,x2,y2,unit\r\na.png,cat,0,0,1,1,fraction\r\n", (0, 0, 1, 1), False),
    ],
)
def test_tables_of_boxes(text: str, box: tuple[float, ...], in_pixels: bool) -> None:
    data, _, errors = read("labels.csv", text)
    (image,) = data.images
    (found,) = image.boxes
    assert (found.left, found.top, found.width, found.height) == pytest.approx(box)
    assert (image.in_pixels, data.format, errors) == (in_pixels, "csv", [])


def test_tables_of_tags_have_several_rows_for_an_image_and_rows_without_a_tag() -> None:
    data, _, _ = read("x.csv", 'path,tag,split\na.png,"cat, black",val\na.png,dog,val\nsub/b.png,,train\n')
    assert [(image.file, image.tags, image.split) for image in data.images] == [
        ("a.png", ("cat, black", "dog"), "val"),
        ("sub/b.png", (), "train"),
    ]


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ("a.png", "3: It has fewer columns than the header."),
        ("a.png,cat,1,2,x,4,pixel", "3: A side of a box is no number."),
        ("a.png,cat,1,2,3,4,inch", "3: There is no unit 'inch'; it is pixel or fraction."),
        ("c.png,cat,1,2,3,4,pixel", "3: There is no image 'c.png'."),
        ('a.png,"cat,1,2,3,4', "3: It is no row of CSV: unexpected end of data."),
    ],
)
def test_wrong_rows_have_their_number(row: str, error: str) -> None:
    text = f"path,tag,xmin,ymin,xmax,ymax,unit\na.png,cat,1,2,3,4,pixel\n{row}\n"
    assert read("x.csv", text)[2] == [error]


def test_other_encodings_are_refused_with_their_line() -> None:
    with pytest.raises(DataSetUnreadable, match="not a text in UTF-8") as refused:
        read("x.csv", "path,tag\na.png,cat\na.png,Vögel\n".encode("latin-1"))
    assert (refused.value.file, refused.value.line) == ("x.csv", 3)


@pytest.mark.parametrize("name", ["label-studio", "azure-ml", "csv"])
def test_what_is_written_is_read_back_within_a_hundredth_of_a_pixel(name: str) -> None:
    data = boxed_set(4)
    back = formats.read(reading_of(written(data, name)))
    for image, again in zip(data.images, back.images, strict=True):
        across, down = (640, 427) if again.in_pixels else (1, 1)
        for one, other in zip(image.boxes, again.boxes, strict=True):
            assert other.tag == one.tag
            assert other.left / across == pytest.approx(one.left, abs=1e-8)
            assert (other.top + other.height) / down == pytest.approx(one.top + one.height, abs=1e-8)


@pytest.mark.parametrize("name", ["label-studio", "csv"])
def test_tags_of_images_are_read_back(name: str) -> None:
    tags = [("a, b", "c"), (), ("c",)]
    back = formats.read(reading_of(written(tagged_set(tags), name)))
    assert [image.tags for image in back.images] == tags
