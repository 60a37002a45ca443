"""The files that all exports have."""

from __future__ import annotations

import hashlib
import json
import pickle
import subprocess
import sys
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest

from emulator.core.exports.formats import FORMATS
from emulator.vision.exports.bundle import zipped
from emulator.vision.exports.formats import ExportFailed, ExportOrder, write_export
from tests.vision.exports.conftest import CREATED, KINDS, LABELS, Kind, MakeOrder, exported_date

# The formats that need no extra and whose modules are tested here.
MODEL_FILES = {
    ("ONNX", None): "model.onnx",
    ("ONNX", "ONNX10"): "model.onnx",
    ("ONNX", "OnnxFloat16"): "model.onnx",
    ("ONNX", "OnnxInt8"): "model.onnx",
    ("TensorFlow", None): "model.pb",
    ("TensorFlow", "TensorFlowNormal"): "model.pb",
    ("TensorFlow", "TensorFlowJs"): "model.json",
    ("TensorFlow", "TensorFlowSavedModel"): "saved_model.pb",
    ("DockerFile", "Linux"): "app/model.onnx",
    ("Torch", "TorchStateDict"): "model.pth",
}
# Others have 2.1.
EXPORTER_VERSIONS = {
    **{form: "2.0" for form in MODEL_FILES if form[0] == "ONNX" or (form[0] == "TensorFlow" and form[1])},
    ("DockerFile", "Linux"): "2.2",
}
# Maximum sizes in bytes, for classifiers and for detectors.
LIMITS = {False: 20_000_000, True: 16_000_000}


def exported(order: ExportOrder, folder: Path) -> zipfile.ZipFile:
    file = write_export(order, folder / "export.zip", lambda share, step: None, FORMATS)
    return zipfile.ZipFile(BytesIO(file.read_bytes()))


@pytest.mark.parametrize("form", MODEL_FILES, ids=str)
def test_manifest_labels_metadata_and_size(
    kind: Kind, form: tuple[str, str | None], make_order: MakeOrder, tmp_path: Path
) -> None:
    archive = exported(make_order(kind, *form), tmp_path)
    path = MODEL_FILES[form]
    folder = path[: path.rfind("/") + 1]

    manifest = json.loads(archive.read(f"{folder}cvexport.manifest"))
    # TensorFlow.js: a zip of the model's files, which is not in the export; so in the service's exports.
    named, content = path.removeprefix(folder), archive.read(path)
    if path == "model.json":
        files = {name: archive.read(name) for name in ("model.json", "weights.bin")}
        named, content = "model.zip", zipped(files, CREATED)
    assert manifest == {
        "DomainType": "ObjectDetection" if kind.detection else "Classification",
        "Platform": form[0],
        "Flavor": form[1],
        "ExporterVersion": EXPORTER_VERSIONS.get(form, "2.1"),
        "ExportedDate": exported_date(),
        "IterationId": "c7f0e2ad-6a3c-4a3f-9c5f-0c8f0b1f5f2d",
        "ModelFileName": named,
        "LabelFileName": "labels.txt",
        "MetadataPropsFileName": "metadata_properties.json",
        "ModelFileSHA1": hashlib.sha1(content).hexdigest(),
        "SchemaVersion": "1.0",
    }
    assert archive.read(f"{folder}labels.txt").decode().split("\n") == list(LABELS)
    metadata = json.loads(archive.read(f"{folder}metadata_properties.json"))
    assert all(isinstance(value, str) for value in metadata.values())
    assert (
        metadata["CustomVision.Postprocess.Method"]
        == {
            "classifier": "ClassificationMultiClass",
            "multilabel-classifier": "ClassificationMultiLabel",
            "classifier-s1": "ClassificationMultiClass",
            "detector": "Yolo",
            "detector-s1": "SSD",
        }[kind.name]
    )
    assert len(json.loads(metadata["CustomVision.Postprocess.Yolo.Biases"])) == (10 if kind.yolo else 0)
    assert metadata["CustomVision.Postprocess.Yolo.NmsThreshold"] == ("0.45" if kind.yolo else "0.0")
    assert b"Apache License" in archive.read("LICENSE")
    assert (b"NanoDet" in archive.read("LICENSE")) == kind.detection
    limit = LIMITS[kind.detection] // (2 if form[1] == "OnnxFloat16" else 1)
    assert (tmp_path / "export.zip").stat().st_size <= limit


# In separate processes, so that differences between processes show.
_HASHES = """
import hashlib, pickle, sys
from pathlib import Path
from emulator.core.exports.formats import FORMATS
from emulator.vision.exports.formats import write_export
for number, order in enumerate(pickle.load(open(sys.argv[1], "rb"))):
    file = write_export(order, Path(sys.argv[2]) / str(number), lambda share, step: None, FORMATS)
    print(hashlib.sha256(file.read_bytes()).hexdigest())
"""


def test_the_same_order_gives_the_same_bytes(make_order: MakeOrder, tmp_path: Path) -> None:
    (kind,) = (each for each in KINDS if each.yolo)
    orders = [make_order(kind, *form) for form in MODEL_FILES]
    (tmp_path / "orders").write_bytes(pickle.dumps(orders))
    found = []
    for seed in ("1", "2"):
        finished = subprocess.run(
            [sys.executable, "-c", _HASHES, str(tmp_path / "orders"), str(tmp_path / seed)],
            capture_output=True,
            text=True,
            check=False,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[3])},
            timeout=3000,
        )
        assert finished.returncode == 0, finished.stderr
        found.append(finished.stdout.split())

    assert len(found[0]) == len(orders)
    assert found[0] == found[1]


def test_a_name_with_a_line_break_stays_one_line(make_order: MakeOrder, tmp_path: Path) -> None:
    order = replace(make_order(KINDS[0], "ONNX"), labels=("a\nb", "c", "d\r\n", "", "e"))

    assert exported(order, tmp_path).read("labels.txt").decode().split("\n") == ["a b", "c", "d", "", "e"]


def test_dates_in_the_file_are_those_of_the_order(make_order: MakeOrder, tmp_path: Path) -> None:
    moment = CREATED.astimezone(UTC)
    archive = exported(make_order(KINDS[0], "ONNX"), tmp_path)

    # Zip files store even seconds.
    assert {entry.date_time[:5] for entry in archive.infolist()} == {moment.timetuple()[:5]}


def test_years_that_zip_files_cannot_store(make_order: MakeOrder, tmp_path: Path) -> None:
    order = replace(make_order(KINDS[0], "ONNX"), created=datetime(1970, 1, 1, tzinfo=UTC))
    archive = exported(order, tmp_path)

    assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert json.loads(archive.read("cvexport.manifest"))["ExportedDate"] == "1970-01-01T00:00:00.0000000Z"


def test_progress_never_falls_and_ends(make_order: MakeOrder, tmp_path: Path) -> None:
    reported: list[float] = []

    write_export(make_order(KINDS[0], "ONNX"), tmp_path / "x.zip", lambda share, step: reported.append(share))

    assert reported == sorted(reported)
    assert (reported[0], reported[-1]) == (0, 1)


def test_missing_packages_are_named(
    make_order: MakeOrder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)

    with pytest.raises(ExportFailed, match=r"install custom-vision-emulator\[export\]"):
        write_export(make_order(KINDS[0], "ONNX"), tmp_path / "x.zip", lambda share, step: None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "error",
    [
        ImportError("cannot import name 'helper' from 'onnx'", name="onnx"),
        ModuleNotFoundError("No module named 'onnx.halper'", name="onnx.halper"),
        ModuleNotFoundError("No module named 'emulator.vision.graphs'", name="emulator.vision.graphs"),
    ],
)
def test_a_broken_package_is_not_reported_as_missing(
    make_order: MakeOrder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: ImportError
) -> None:
    def broken(*_: object) -> bytes:
        raise error

    monkeypatch.setattr("emulator.vision.exports.onnx.onnx_zip", broken)

    with pytest.raises(ImportError, match=str(error)):
        write_export(make_order(KINDS[0], "ONNX"), tmp_path / "x.zip", lambda share, step: None)


def test_a_disk_without_room_leaves_nothing(
    make_order: MakeOrder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("emulator.durable_files.os.fsync", full)

    with pytest.raises(ExportFailed, match="No space left"):
        write_export(make_order(KINDS[0], "ONNX"), tmp_path / "x.zip", lambda share, step: None)
    assert list(tmp_path.iterdir()) == []


def test_every_platform_of_the_service_has_a_usual_format() -> None:
    platforms = {platform for platform, _ in FORMATS}

    assert platforms == {"ONNX", "TensorFlow", "CoreML", "OpenVino", "VAIDK", "DockerFile", "Torch"}
    additions = {form for form, details in FORMATS.items() if details.addition}
    assert additions == {("ONNX", "OnnxInt8"), ("Torch", "TorchStateDict")}
    for platform in platforms - {"Torch"}:
        assert (platform, None) in FORMATS


def test_importing_the_package_is_cheap() -> None:
    code = "import emulator.vision.exports.formats, sys, json; print(json.dumps(sorted(sys.modules)))"
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert {"numpy", "onnx", "torch", "google.protobuf"}.isdisjoint(json.loads(finished.stdout))
