"""Zips of exports: valid, damaged and hostile."""

import struct
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulator.vision.exported import files
from emulator.vision.exported.files import ExportUnusable, read_export
from tests.support.exported_models import (
    COLOURS,
    ITERATION,
    classifier_zip,
    colour_classifier,
    export_zip,
    zip_of,
)

MODEL = colour_classifier().SerializeToString()


def test_files_of_an_export() -> None:
    found = read_export(export_zip(MODEL, COLOURS, {"a": "b"}))
    assert (found.kind, dict(found.model), found.labels) == ("onnx", {"model.onnx": MODEL}, COLOURS)
    assert (dict(found.metadata), found.iteration_id) == ({"a": "b"}, ITERATION)


def test_from_a_file_and_in_a_folder_of_the_zip(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    path.write_bytes(export_zip(MODEL, COLOURS, folder="app/"))
    assert read_export(path).labels == COLOURS


def test_an_unpacked_container_export_is_read_from_its_only_folder_with_a_model(tmp_path: Path) -> None:
    for name in ("app", "azureml"):
        (tmp_path / name).mkdir()
    (tmp_path / "app" / "model.onnx").write_bytes(MODEL)
    (tmp_path / "app" / "labels.txt").write_text("a\nb")
    assert read_export(tmp_path).labels == ("a", "b")

    (tmp_path / "azureml" / "model.onnx").write_bytes(MODEL)
    with pytest.raises(ExportUnusable, match="It holds no model"):
        read_export(tmp_path)


def test_an_old_export_has_a_model_and_labels_alone() -> None:
    found = read_export(zip_of({"model.onnx": MODEL, "labels.txt": b"\xef\xbb\xbfa\r\nb\r\n"}))
    assert (found.labels, dict(found.metadata), found.iteration_id) == (("a", "b"), {}, None)


def test_the_manifest_says_which_of_two_models_is_meant() -> None:
    data = export_zip(b"graph", COLOURS, name="model.pb", more={"model.onnx": MODEL})
    assert read_export(data).kind == "frozen graph"
    data = zip_of({"model.pb": b"graph", "model.onnx": MODEL, "labels.txt": b"a"})
    assert read_export(data).kind == "onnx"


def test_a_saved_model_has_its_variables() -> None:
    more = {"variables/variables.index": b"i", "variables/variables.data-00000-of-00001": b"d"}
    found = read_export(export_zip(b"graph", COLOURS, name="saved_model.pb", more=more))
    assert dict(found.model) == {"saved_model.pb": b"graph", **more}
    assert found.kind == "saved model"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "holds no model"),
        ({"readme.txt": b"x"}, "holds no model"),
        ({"model.onnx": MODEL}, "labels.txt is missing"),
        ({"model.onnx": b"", "labels.txt": b"a"}, "model.onnx is empty"),
        ({"model.onnx": MODEL, "labels.txt": b""}, "names no tag"),
        ({"model.onnx": MODEL, "labels.txt": b"\n \n"}, "names no tag"),
        ({"model.onnx": MODEL, "labels.txt": b"a\nb\na"}, "names a tag twice: 'a'"),
        ({"model.onnx": MODEL, "labels.txt": b"a" * 257}, "Line 1 of labels.txt is no name"),
        ({"model.onnx": MODEL, "labels.txt": b"a\0b"}, "Line 1 of labels.txt is no name"),
        ({"model.onnx": MODEL, "labels.txt": b"\xff\xfe"}, "not text in UTF-8"),
        ({"model.onnx": MODEL, "labels.txt": "\n".join(map(str, range(2001))).encode()}, "names 2001 tags"),
        ({"model.onnx": MODEL, "labels.txt": b"a", "cvexport.manifest": b"{"}, "manifest is not JSON"),
        ({"model.onnx": MODEL, "labels.txt": b"a", "cvexport.manifest": b"[]"}, "not a JSON object"),
        (
            {"model.onnx": MODEL, "labels.txt": b"a", "metadata_properties.json": b"[" * 100_000},
            "metadata_properties.json is not JSON",
        ),
        ({"model.mlmodel": b"x", "labels.txt": b"a"}, "It holds a CoreML model"),
        ({"model.json": b"x", "labels.txt": b"a"}, "It holds a TensorFlow.js model"),
        ({"model.xml": b"x", "labels.txt": b"a"}, "model.bin is missing"),
        ({"../model.onnx": MODEL, "labels.txt": b"a"}, "leads out of it: '../model.onnx'"),
        ({"a/../../model.onnx": MODEL, "labels.txt": b"a"}, "leads out of it"),
        ({"/etc/labels.txt": b"a", "model.onnx": MODEL}, "leads out of it"),
        ({"C:\\labels.txt": b"a", "model.onnx": MODEL}, "leads out of it"),
        ({"..\\labels.txt": b"a", "model.onnx": MODEL}, "leads out of it"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_reason_is_one_line(content: dict[str, bytes], message: str) -> None:
    with pytest.raises(ExportUnusable, match=message) as caught:
        read_export(zip_of(content))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("announced", ["0" * 40, 7])
def test_another_hash_in_the_manifest_is_a_warning(
    announced: object, caplog: pytest.LogCaptureFixture
) -> None:
    data = export_zip(MODEL, COLOURS, manifest={"ModelFileSHA1": announced})
    assert read_export(data).labels == COLOURS
    (record,) = caplog.records
    assert "model.onnx is not the file that cvexport.manifest describes" in record.getMessage()


@pytest.mark.parametrize("content", [b"a\n\nb", b"\n\r\na\r\n \r\nb\r\n\r\n"])
def test_empty_lines_of_labels_are_skipped(content: bytes) -> None:
    assert read_export(zip_of({"model.onnx": MODEL, "labels.txt": content})).labels == ("a", "b")


def test_a_tensorflow_lite_file_of_2019_is_named_graph_lite() -> None:
    found = read_export(export_zip(b"lite", COLOURS, name="graph.lite"))
    assert (found.kind, dict(found.model)) == ("tflite", {"model.tflite": b"lite"})


@pytest.mark.parametrize(
    "label",
    [
        "\u00c9t\u00e9\u00a0cr\u00e8me",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "\u0915\u094d\u200d\u0937",
        "soft\u00adhyphen",
        "wide\u3000blank",
        "\ue000",
    ],
)
def test_labels_contain_any_character_that_names_of_tags_can(label: str) -> None:
    content = {"model.onnx": MODEL, "labels.txt": f"a\n{label}".encode()}
    assert read_export(zip_of(content)).labels == ("a", label)


def test_labels_may_be_missing_when_the_manifest_has_none() -> None:
    content = {"model.onnx": MODEL, "cvexport.manifest": b'{"LabelFileName": null}'}
    assert read_export(zip_of(content)).labels == ()


def test_numbers_and_null_in_metadata() -> None:
    found = read_export(
        zip_of(
            {
                "model.onnx": MODEL,
                "labels.txt": b"a",
                "metadata_properties.json": b'{"a": 256.0, "b": null, "c": [1]}',
            }
        )
    )
    assert found.metadata == {"a": "256.0"}


@pytest.mark.parametrize("data", [b"", b"PK", b"no zip at all", b"PK\x05\x06" + bytes(10), bytes(100_000)])
def test_what_is_no_zip(data: bytes) -> None:
    with pytest.raises(ExportUnusable, match="It is not a zip"):
        read_export(data)


def test_two_files_of_one_name() -> None:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("labels.txt", "a")
        archive.writestr("labels.txt", "b")
    with pytest.raises(ExportUnusable, match=r"two files named 'labels.txt'"):
        read_export(buffer.getvalue())


def test_an_encrypted_zip() -> None:
    data = bytearray(zip_of({"labels.txt": b"a", "model.onnx": MODEL}, zipfile.ZIP_STORED))
    directory = data.index(b"PK\x01\x02", data.rindex(b"model.onnx") - 60)
    for start, flags in ((data.index(b"PK\x03\x04", 30), 6), (directory, 8)):
        data[start + flags] |= 1
    with pytest.raises(ExportUnusable, match="encrypted"):
        read_export(bytes(data))


def test_too_many_files() -> None:
    with pytest.raises(ExportUnusable, match="more than 2000 files"):
        read_export(zip_of({f"{number}": b"" for number in range(2001)}))


def test_a_table_of_contents_that_claims_gigabytes() -> None:
    data = bytearray(zip_of({"labels.txt": b"a"}))
    struct.pack_into("<I", data, data.rindex(b"PK\x05\x06") + 12, 2**31)
    with pytest.raises(ExportUnusable, match="more than 2000 files"):
        read_export(bytes(data))


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that are not needed are not read; the others only up to their limit."""
    monkeypatch.setattr(files, "MODEL_BYTES", 3 * files.MEGABYTE)
    zeros = bytes(4 * files.MEGABYTE)
    assert len(zip_of({"a": zeros})) < 10_000
    found = read_export(zip_of({"model.onnx": MODEL, "labels.txt": b"a", "more.bin": zeros}))
    assert found.labels == ("a",)
    with pytest.raises(ExportUnusable, match=r"model.onnx is larger than 3 MB"):
        read_export(zip_of({"model.onnx": zeros, "labels.txt": b"a"}))
    with pytest.raises(ExportUnusable, match=r"labels.txt is larger than 1 MB"):
        read_export(zip_of({"model.onnx": MODEL, "labels.txt": bytes(2 * files.MEGABYTE)}))


def test_a_size_that_lies() -> None:
    """The directory states a few bytes and the stream has more: only the stated size is read."""
    data = bytearray(zip_of({"labels.txt": b"a", "model.onnx": bytes(5 * files.MEGABYTE)}))
    start = data.rindex(b"PK\x01\x02")
    struct.pack_into("<I", data, start + 24, 100)
    with pytest.raises(ExportUnusable, match="damaged"):
        read_export(bytes(data))


def test_variables_of_a_saved_model_count_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MODEL_BYTES", 1000)
    more = {"variables/variables.index": bytes(600), "variables/variables.data-00000-of-00001": bytes(600)}
    with pytest.raises(ExportUnusable, match="larger than"):
        read_export(export_zip(b"graph", COLOURS, name="saved_model.pb", more=more))


GOOD = classifier_zip()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255), st.booleans())
def test_any_damage_is_unnoticed_or_one_error(place: int, value: int, cut: bool) -> None:
    damaged = bytearray(GOOD)
    damaged[place] = value
    try:
        read_export(bytes(damaged[:place] if cut else damaged))
    except ExportUnusable as error:
        assert "\n" not in str(error)
