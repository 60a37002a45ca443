"""Exports of anomaly detectors compute what the model computes."""

import zipfile
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest

from emulator.vision.classification.dataset import TrainedClassifier
from emulator.vision.classification.session import ClassifierSession
from emulator.vision.exported.load import load_classifier
from emulator.vision.exports.formats import ExportOrder, write_export
from emulator.vision.recipes.domains import domains
from tests.vision.anomaly.conftest import part

pytestmark = pytest.mark.slow

DOMAIN = next(domain for domain in domains().all if domain.detects_anomalies)


@pytest.mark.parametrize(
    ("platform", "flavor", "package"),
    [
        ("ONNX", None, "onnx"),
        ("ONNX", "OnnxFloat16", "onnx"),
        ("OpenVino", None, "openvino"),
        ("TensorFlow", "TensorFlowLite", "ai_edge_litert"),
        ("TensorFlow", "TensorFlowNormal", "openvino"),
    ],
)
def test_an_export_computes_what_the_model_computes(
    detector: TrainedClassifier, platform: str, flavor: str | None, package: str, tmp_path: Path
) -> None:
    pytest.importorskip(package, reason=f"{package} runs the export: pip install {package}")
    order = ExportOrder(
        model=str(detector.model_path),
        platform=platform,
        flavor=flavor,
        domain=DOMAIN.name,
        domain_type=DOMAIN.type,
        classification_type="Multiclass",
        labels=("anomaly", "good"),
        project_id="5aea1d4b-5c24-4b4b-a3a4-4f1d5b5a0c4e",
        iteration_id="c7f0e2ad-6a3c-4a3f-9c5f-0c8f0b1f5f2d",
        created=datetime(2026, 3, 4, tzinfo=UTC),
    )
    written = write_export(order, tmp_path / "export.zip", lambda share, step: None)
    with zipfile.ZipFile(BytesIO(written.read_bytes())) as archive:
        assert archive.testzip() is None
    exported, model = load_classifier(written), ClassifierSession(detector.model_path)
    half = flavor == "OnnxFloat16"
    for data in (part(200), part(200, defect=True), part(201)):
        expected = dict(zip(model.labels, model.score(data), strict=True))
        found = dict(zip(exported.labels, exported.score(data), strict=True))
        assert found == pytest.approx(expected, abs=0.1 if half else 2e-3)
