"""The model of every compact domain, exported to every platform of the domain."""

from __future__ import annotations

import importlib.util
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from emulator.core.exports.formats import FORMATS
from emulator.vision.exports.formats import write_export
from emulator.vision.recipes.domains import Domain, domains
from tests.vision.exports.conftest import KINDS, Kind, MakeOrder

# Exports of anomaly detectors: tests/vision/anomaly/test_exports.py.
COMPACT = [domain for domain in domains().all if domain.exportable and not domain.detects_anomalies]
# The service lists this platform for one domain, but does not document such an export.
WITHOUT_FORMAT = {"IVS"}
NEEDED_PACKAGES = {"CoreML": "coremltools", "OpenVino": "openvino"}
USUAL_FLAVORS = {"DockerFile": "Linux", "TensorFlow": "TensorFlowLite"}


def test_every_platform_of_a_domain_has_a_format() -> None:
    platforms = {platform for domain in COMPACT for platform in domain.platforms}
    assert platforms - {platform for platform, _ in FORMATS} == WITHOUT_FORMAT


@pytest.mark.parametrize("domain", COMPACT, ids=lambda domain: f"{domain.type} {domain.name}")
def test_models_of_every_compact_domain_are_exported_to_each_of_its_platforms(
    domain: Domain, make_order: MakeOrder, tmp_path: Path
) -> None:
    like = _kind_with_the_recipe_of(domain)
    for platform in sorted({*domain.platforms} - WITHOUT_FORMAT):
        if importlib.util.find_spec(NEEDED_PACKAGES.get(platform, "zipfile")) is None:
            continue
        if platform == "CoreML" and domain.id != like.domain_id:
            continue  # seconds, for the file that another domain of the same recipe has
        order = replace(make_order(like, platform, USUAL_FLAVORS.get(platform)), domain=domain.name)
        written = write_export(order, tmp_path / f"{platform}.zip", lambda share, step: None, FORMATS)
        with zipfile.ZipFile(written) as archive:
            assert archive.testzip() is None
            assert archive.namelist()


def _kind_with_the_recipe_of(domain: Domain) -> Kind:
    return next(kind for kind in KINDS if domains().by_id[kind.domain_id].recipe == domain.recipe)
