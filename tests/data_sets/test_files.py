"""Archives that are not trusted, and images that labels name in many ways."""

import io
import stat
import zipfile

import pytest

from emulator.data_sets import files as data_files
from emulator.data_sets.files import Files, ImageNames, head, lines, text
from emulator.data_sets.record import DataSetUnreadable
from tests.support.data_sets import zip_of


def opened(archive: bytes) -> Files:
    return Files(io.BytesIO(archive), len(archive))


@pytest.mark.parametrize("name", ["../a.png", "a/../../b.png", "/etc/a.png", "C:/a.png", "..\\a.png"])
def test_names_that_lead_out_of_the_archive_are_refused(name: str) -> None:
    with pytest.raises(DataSetUnreadable, match="leads out") as refused:
        opened(zip_of({name: "x"}))
    assert refused.value.file == name.replace("\\", "/")


def test_links_encrypted_and_doubled_files_are_refused() -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        link = zipfile.ZipInfo("a.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(DataSetUnreadable, match="a link or a device"):
        opened(made.getvalue())
    encrypted = bytearray(zip_of({"a.png": "x"}))
    encrypted[encrypted.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(DataSetUnreadable, match="It is encrypted"):
        opened(bytes(encrypted))
    with pytest.raises(DataSetUnreadable, match="two files with this name"):
        opened(zip_of({"u\u0308.png": "x", "\u00fc.png": "y"}))


def test_archives_that_expand_beyond_all_measure_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_files, "_EXPANDED_BYTES", 1000)
    with pytest.raises(DataSetUnreadable, match="It expands to 4 MB, which no data set does"):
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.json", bytes(5_000_000))
        opened(made.getvalue())


def test_more_files_than_a_data_set_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_files, "MOST_FILES", 2)
    with pytest.raises(DataSetUnreadable, match="It has 3 files; at most 2 are read"):
        opened(zip_of({"a": "", "b": "", "c": ""}))


def test_damaged_archives_and_files_are_refused() -> None:
    for archive in (b"", b"PK", zip_of({"a": "x"})[:-10]):
        with pytest.raises(DataSetUnreadable, match="not a zip file"):
            opened(archive)
    archive = bytearray(zip_of({"a.txt": "some text"}))
    archive[archive.index(b"some")] ^= 1
    files = opened(bytes(archive))
    for read in (Files.read, head, text, lambda files, name: list(lines(files, name))):
        with pytest.raises(DataSetUnreadable, match="cannot be read") as refused:
            read(files, "a.txt")
        assert refused.value.file == "a.txt"


def test_files_of_systems_are_no_files_of_the_data_set() -> None:
    names = ("a.png", "__MACOSX/a.png", ".git/x", "b/.DS_Store", "b/Thumbs.db", "b/c.png")
    assert opened(zip_of(dict.fromkeys(names, ""))).names == ["a.png", "b/c.png"]


def test_a_folder_around_everything_is_dropped_unless_it_means_something() -> None:
    assert opened(zip_of({"pets/cats/a.png": "", "pets/x.json": ""})).names == ["cats/a.png", "x.json"]
    assert opened(zip_of({"cats/a.png": "", "cats/b.png": ""})).names == ["cats/a.png", "cats/b.png"]
    assert opened(zip_of({"train/cats/a.png": ""})).names == ["train/cats/a.png"]


def test_texts_are_utf_8_or_have_a_mark() -> None:
    files = opened(zip_of({"a": "\ufeffä", "b": "ä".encode("utf-16"), "c": b"a\nb\xff", "d": "x" * 10}))
    assert (text(files, "a"), text(files, "b")) == ("ä", "ä")
    for read in (text, lambda files, name: list(lines(files, name))):
        with pytest.raises(DataSetUnreadable, match="not a text in UTF-8") as refused:
            read(files, "c")
        assert (refused.value.file, refused.value.line) == ("c", 2)


@pytest.mark.parametrize(
    ("named", "folder", "found"),
    [
        ("a.png", "x", "x/a.png"),
        ("x/a.png", "", "x/a.png"),
        ("./x/a.png", "", "x/a.png"),
        ("D:\\data\\x\\a.png", "", "x/a.png"),
        ("/data/y/A.PNG", "", "y/a.png"),
        ("only.jpg", "", "z/Only.jpg"),
    ],
)
def test_images_are_found_by_the_end_of_their_path(named: str, folder: str, found: str) -> None:
    files = opened(zip_of({"x/a.png": "", "y/a.png": "", "z/Only.jpg": "", "labels.txt": ""}))
    assert ImageNames(files).find(named, folder) == found


def test_images_that_are_not_there_or_could_be_several_are_refused() -> None:
    images = ImageNames(opened(zip_of({"x/a.png": "", "y/a.png": ""})))
    with pytest.raises(DataSetUnreadable, match=r"Several images could be 'a\.png': x/a\.png, y/a\.png\."):
        images.find("a.png")
    with pytest.raises(DataSetUnreadable, match=r"There is no image 'b\.png'\."):
        images.find("b.png")
