"""Data sets as they come from the world: read, or refused with file and line, and nothing is left."""

import io
import json
import stat
import zipfile
from dataclasses import dataclass, field
from typing import Any

import pytest
from PIL import Image

from emulator.data_sets import files as data_files
from tests.support.data_sets import Content, DataSets, everything_of, zip_of
from tests.support.harness import Service
from tests.support.images import picture

PICTURE = picture(1)
WIDE = (48, 36)


def coco(
    *boxes: list[Any], name: str = "a.png", size: tuple[int, int] = WIDE, category: str = "cat", **more: Any
) -> str:
    content: dict[str, Any] = {
        "images": [{"id": 1, "file_name": name, "width": size[0], "height": size[1]}],
        "categories": [{"id": 1, "name": category}],
        "annotations": [{"id": 9, "image_id": 1, "category_id": 1, "bbox": box} for box in boxes],
    }
    return json.dumps(content | more)


def voc(*corners: int) -> str:
    names = ("xmin", "ymin", "xmax", "ymax")
    box = "".join(f"<{name}>{corner}</{name}>" for name, corner in zip(names, corners, strict=True))
    return (
        "<annotation><filename>a.png</filename><size><width>48</width><height>36</height></size>"
        f"<object><name>cat</name><bndbox>{box}</bndbox></object></annotation>"
    )


def turned(orientation: int) -> bytes:
    """A JPEG of 48 x 36 stored pixels with an EXIF orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return picture(1, format="JPEG", exif=exif)


def special_zip(kind: int, content: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        entry = zipfile.ZipInfo("cats/a.png")
        entry.external_attr = (kind | 0o644) << 16
        archive.writestr(entry, content)
    return made.getvalue()


def encrypted() -> bytes:
    archive = bytearray(zip_of({"cats/a.png": PICTURE}))
    archive[archive.index(b"PK\x01\x02") + 8] |= 1
    return bytes(archive)


def bomb() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("cats/a.png", bytes(3_000_000))
    return made.getvalue()


@dataclass(frozen=True)
class Read:
    """A data set that is read. box: of the only region. notes: the beginnings of the notes."""

    files: Content
    box: tuple[float, float, float, float] | None = None
    notes: tuple[str, ...] = ()
    images: int = 1
    tags: tuple[str, ...] = ("cat",)


@dataclass(frozen=True)
class Refused:
    """A data set that is refused. failure: the beginning of the reason, which has file and line."""

    files: Content | bytes
    failure: str
    parameters: dict[str, str] = field(default_factory=dict)


ENTITIES = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
READ = {
    "fractions in COCO": Read(
        {"l.json": coco([0.25, 0.25, 0.5, 0.5]), "a.png": PICTURE},
        (0.25, 0.25, 0.5, 0.5),
        ("All boxes are within 0 and 1",),
    ),
    "VOC from 1": Read({"a.xml": voc(1, 1, 24, 18), "a.png": PICTURE}, (0, 0, 0.5, 0.5), ("No corner is 0",)),
    "VOC from 0": Read({"a.xml": voc(0, 0, 24, 18), "a.png": PICTURE}, (0, 0, 0.5, 0.5)),
    "byte order mark": Read({"l.json": "\ufeff" + coco([0, 0, 24, 18]), "a.png": PICTURE}, (0, 0, 0.5, 0.5)),
    "labels before the turn by EXIF": Read(
        {"l.json": coco([0, 0, 12, 9], name="a.jpg"), "a.jpg": turned(6)},
        (0.75, 0, 0.25, 0.25),
        ("Labels of images that EXIF turns are turned",),
    ),
    "labels after the turn by EXIF": Read(
        {"l.json": coco([0, 0, 9, 12], name="a.jpg", size=(36, 48)), "a.jpg": turned(6)},
        (0, 0, 0.25, 0.25),
    ),
    "an image resized after labeling": Read(
        {"l.json": coco([0, 0, 240, 180], size=(480, 360)), "a.png": PICTURE},
        (0, 0, 0.5, 0.5),
        ("The labels are of the same image in another size",),
    ),
    "a box beyond the edge": Read(
        {"l.json": coco([-10, 9, 34, 100]), "a.png": PICTURE},
        (0, 0.25, 0.5, 0.75),
        ("Boxes are cut at the edges",),
    ),
    "empty, turned-over and repeated boxes": Read(
        {
            "l.json": coco([0, 0, 24, 18], [5, 5, 0, 9], [9, 9, -4, 4], [0, 0, 24, 18], [99, 99, 9, 9]),
            "a.png": PICTURE,
        },
        (0, 0, 0.5, 0.5),
        ("Boxes without an area in the image", "Repeated boxes"),
    ),
    "tags that differ in case": Read(
        {"Cat/a.png": PICTURE, "cat/b.png": picture(2)}, None, ("'cat' and 'Cat'",), 2, ("Cat",)
    ),
    "names in another normal form": Read(
        {"Va\u0308/a.png": PICTURE, "V\u00e4/b.png": picture(2)}, None, (), 2, ("V\u00e4",)
    ),
    "backslashes and drives in names": Read(
        {"l.json": coco([0, 0, 24, 18], name="C:\\x\\A.PNG"), "a.png": PICTURE}, (0, 0, 0.5, 0.5)
    ),
    "files of systems": Read(
        {"cat/a.png": PICTURE, "__MACOSX/cat/._a.png": "x", "cat/.DS_Store": "x", "cat/Thumbs.db": "x"}
    ),
    "an animation": Read({"cat/a.gif": picture(1, format="GIF")}),
}
REFUSED = {
    "a name that climbs out": Refused({"../a.png": PICTURE}, "../a.png: Its name leads out"),
    "an absolute name": Refused({"/a.png": PICTURE}, "/a.png: Its name leads out"),
    "a link": Refused(special_zip(stat.S_IFLNK, "/etc/passwd"), "cats/a.png: It is a link or a device"),
    "an encrypted file": Refused(encrypted(), "cats/a.png: It is encrypted."),
    "a zip bomb": Refused(bomb(), "It expands to 2 MB, which no data set does."),
    "no zip": Refused(b"GIF89a", "It is not a zip file"),
    "a zip that is cut": Refused(zip_of({"cats/a.png": PICTURE})[:-30], "It is not a zip file"),
    "an empty zip": Refused(zip_of({}), "There are no files."),
    "nothing but texts": Refused({"README.md": "x"}, "It has neither images nor labels"),
    "billion laughs": Refused(
        {"a.xml": f"<!DOCTYPE a [{ENTITIES}]>\n<annotation>&a9;</annotation>", "a.png": PICTURE},
        "a.xml, line 1: It has XML entities",
    ),
    "aliases in YAML": Refused(
        {"data.yaml": "a: &a [x]\nnames: [*a]", "a.png": PICTURE},
        "data.yaml: It is not YAML: it has an alias",
    ),
    "two images of one name": Refused(
        {"l.json": coco(), "x/a.png": PICTURE, "y/a.png": picture(2)},
        "l.json, line 1: Several images could be 'a.png': x/a.png, y/a.png.",
    ),
    "a missing image": Refused(
        {"l.json": coco(name="b.png"), "a.png": PICTURE}, "l.json, line 1: There is no"
    ),
    "an image that is cut": Refused(
        {"cat/a.jpg": picture(1, format="JPEG")[:-200]}, "cat/a.jpg: The image cannot be decoded"
    ),
    "an empty image": Refused({"cat/a.png": b""}, "cat/a.png: The data is not a JPEG"),
    "another format of images": Refused(
        {"cat/a.webp": picture(1, format="WEBP")},
        "cat/a.webp: The data is not a JPEG, PNG, BMP or GIF image.",
    ),
    "an image that is too large": Refused(
        {"cat/a.bmp": b"BM" + bytes(6 * 2**20)}, "cat/a.bmp: It has 6,291,458 bytes"
    ),
    "labels of another image": Refused(
        {"l.json": coco([0, 0, 9, 9], size=(100, 20)), "a.png": PICTURE},
        "l.json, line 1: The labels are of an image of 100 x 20 pixels; 'a.png' has 48 x 36.",
    ),
    "301 boxes": Refused(
        {"l.json": coco(*([n / 20, 0, 1, 1 + n / 9] for n in range(301))), "a.png": PICTURE},
        "l.json, line 1: 'a.png': it would have 301 regions; at most 300 are allowed.",
    ),
    "no number": Refused(
        {"l.json": coco([0, 0, float("nan"), 9]), "a.png": PICTURE}, "l.json, line 1: It is not JSON"
    ),
    "an infinite number": Refused(
        {"l.json": coco([0, 0, 9, 9]).replace("9]", "1e999]"), "a.png": PICTURE},
        "l.json, line 1: A 'bbox' is not four numbers.",
    ),
    "JSON that goes on": Refused(
        {"l.json": coco() + "\n{}", "a.png": PICTURE}, "l.json, line 2: Something follows the end"
    ),
    "JSON that is cut": Refused({"l.json": coco()[:-30], "a.png": PICTURE}, "l.json, line 1: It is not JSON"),
    "nested JSON": Refused(
        {"l.json": '{"images": [' + '{"x": ' * 99_999, "a.png": PICTURE},
        "l.json, line 1: Its values are nested",
    ),
    "pixels in YOLO": Refused(
        {"classes.txt": "cat", "labels/a.txt": "0 20 20 9 9", "images/a.png": PICTURE},
        "labels/a.txt, line 1: Its numbers are not fractions",
    ),
    "a class that is not there": Refused(
        {"classes.txt": "cat", "labels/a.txt": "0 .5 .5 .1 .1\n7 .5 .5 .1 .1", "images/a.png": PICTURE},
        "labels/a.txt, line 2: There is no class 7; there are 1.",
    ),
    "a table in another encoding": Refused(
        {"l.csv": "path,tag\na.png,cät".encode("latin-1"), "a.png": PICTURE}, "l.csv, line "
    ),
    "a tag with control characters": Refused(
        {"l.json": coco([0, 0, 9, 9], category="a\nb"), "a.png": PICTURE},
        "The data set: The tag 'a\nb' cannot be created.",
    ),
    "a tag with a long name": Refused(
        {"l.json": coco([0, 0, 9, 9], category="x" * 300), "a.png": PICTURE},
        "l.json, line 1: A name of a tag",
    ),
    "two tags of an image in a Multiclass project": Refused(
        {"cat/a.png": PICTURE, "dog/a.png": PICTURE},
        "cat/a.png: 'cat/a.png': it would have 2 tags",
        {"classificationType": "Multiclass"},
    ),
    "a side file of another version": Refused(
        {"cat/a.png": PICTURE, "customvision.json": '{"version": 2}'},
        "customvision.json, line 1: It is of version 2",
    ),
    "a side file with a wrong id": Refused(
        {
            "cat/a.png": PICTURE,
            "customvision.json": '{"version": 1, "tags": [\n{"id": "x", "name": "y","type": "Regular"}]}',
        },
        "customvision.json, line 2: An id is no GUID.",
    ),
}


def test_files_that_other_tools_write_are_read(service: Service, sets: DataSets) -> None:
    # In one emulator, each in a project of its own: a start takes longer than an import.
    for case, expected in READ.items():
        report = sets.added(expected.files, case)
        shown = everything_of(service, report["projectId"])
        assert len(shown["images"]) == expected.images, case
        assert tuple(tag["name"] for tag in shown["tags"]) == expected.tags, case
        boxes = [
            tuple(region[side] for side in ("left", "top", "width", "height"))
            for image in shown["images"]
            for region in image["regions"]
        ]
        assert boxes == ([] if expected.box is None else [pytest.approx(expected.box, abs=1e-6)]), case
        notes = [problem["message"] for problem in report["problems"]]
        assert len(notes) == len(expected.notes), (case, notes)
        for note, beginning in zip(notes, expected.notes, strict=True):
            assert note.startswith(beginning), case
        again = sets.added(expected.files, case)
        assert (again["newImageCount"], again["newBoxCount"], again["newTagCount"]) == (0, 0, 0), case


def test_files_that_cannot_be_read_are_refused_and_nothing_is_left(
    service: Service, sets: DataSets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_files, "_EXPANDED_BYTES", 1000)
    for case, expected in REFUSED.items():
        ended = sets.imported(expected.files, **expected.parameters)
        found = (ended["status"], ended["failure"][: len(expected.failure)])
        assert found == ("Failed", expected.failure), case
        left = service.rows("SELECT (SELECT count(*) FROM project), (SELECT count(*) FROM job)")
        assert (left, service.blobs()) == ([(0, 0)], set()), case


def test_labels_of_missing_images_can_be_left_out(service: Service, sets: DataSets) -> None:
    files = {"l.json": coco(name="b.png"), "a.png": PICTURE}
    ended = sets.imported(files, missingImagesAllowed="true")
    assert "There are no images of the data set." in ended["failure"]
