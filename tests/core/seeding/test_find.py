"""Which seeds a path has."""

from pathlib import Path

import pytest

from emulator.core.seeding.find import SeedRejected, Seeds, find


def files(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"PK" if path.suffix == ".zip" else b"")
    return folder


def found(path: Path) -> Seeds:
    return find(path)


def shape(path: Path) -> list[tuple[str, list[str], dict[str, list[str]]]]:
    return [
        (
            folder.name,
            [image.name for image in folder.untagged],
            {tag: [image.name for image in images] for tag, images in folder.tags.items()},
        )
        for folder in find(path).folders
    ]


def test_a_folder_of_tags_is_a_project(tmp_path: Path) -> None:
    files(tmp_path / "shop", "mug/b.jpg", "mug/a.jpg", "cup/1.png", "later.jpg")
    assert shape(tmp_path / "shop") == [
        ("shop", ["later.jpg"], {"cup": ["1.png"], "mug": ["a.jpg", "b.jpg"]})
    ]


def test_a_folder_may_have_several_seeds(tmp_path: Path) -> None:
    files(tmp_path, "shop/mug/a.jpg", "cars/red/a.jpg", "other.tar", "another.tar", "state.zip")
    seeds = find(tmp_path)
    assert [folder.name for folder in seeds.folders] == ["cars", "shop"]
    assert [path.name for path in seeds.projects] == ["another.tar", "other.tar"]
    assert [path.name for path in seeds.snapshots] == ["state.zip"]


def test_a_file_is_an_archive_whatever_its_name(tmp_path: Path) -> None:
    files(tmp_path, "state.zip", "project")
    assert find(tmp_path / "state.zip").snapshots == [tmp_path / "state.zip"]
    assert find(tmp_path / "project").projects == [tmp_path / "project"]


def test_hidden_files_and_texts_are_passed_over(tmp_path: Path) -> None:
    files(
        tmp_path / "shop",
        "README.md",
        "license.txt",
        ".DS_Store",
        "Thumbs.db",
        ".git/x",
        "mug/.hidden",
        "mug/a.jpg",
    )
    assert shape(tmp_path / "shop") == [("shop", [], {"mug": ["a.jpg"]})]


def test_names_are_in_the_composed_form(tmp_path: Path) -> None:
    files(tmp_path / "shop", "Ku\u0308che/a.jpg")
    assert list(find(tmp_path / "shop").folders[0].tags) == ["K\u00fcche"]


def test_a_tag_may_have_no_images(tmp_path: Path) -> None:
    files(tmp_path / "shop", "mug/a.jpg")
    (tmp_path / "shop" / "cup").mkdir()
    assert shape(tmp_path / "shop") == [("shop", [], {"cup": [], "mug": ["a.jpg"]})]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "there is nothing to load in '{}'"),
        (["README.md"], "there is nothing to load in '{}'"),
        (["a.zip", "b.zip"], "'{}' has 2 snapshots; there can be one"),
        (["shop/mug/a.jpg", "empty/.hidden"], "there are no images in '{}/empty'"),
        (["shop/mug/a.jpg", "deep/a/b/c.jpg"], "'{}/deep/a/b' is a folder in the folder of a tag"),
        (["mug/a.jpg", "mug/more/b.jpg"], "'{}/mug/more' is a folder in the folder of a tag"),
        (["mug/a.jpg", "other.tar"], "'{}/other.tar' is among images; put archives in a folder of their own"),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, names: list[str], message: str) -> None:
    files(tmp_path, *names)
    with pytest.raises(SeedRejected) as refused:
        find(tmp_path)
    assert str(refused.value) == message.format(tmp_path)


def test_a_path_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SeedRejected, match=r"^there is no '.*absent'$"):
        find(tmp_path / "absent")
