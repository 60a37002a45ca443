"""The data file of domains: complete, consistent, and in the package that is built."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import zipfile
from dataclasses import fields, replace
from pathlib import Path

import pytest

from emulator.vision.recipes.domains import Domain, domains
from emulator.vision.recipes.recipes import (
    ADVANCED,
    ADVANCED_COMPACT,
    ADVANCED_DETECTOR,
    QUICK,
    QUICK_DETECTOR,
    AdvancedDetectorRecipe,
    AdvancedRecipe,
    ClassifierRecipe,
    DetectorRecipe,
    recipe_for_domain,
)

ROOT = Path(__file__).parents[3]
ALL = domains().all
COMPACT = [domain for domain in ALL if domain.exportable]

everyone = pytest.mark.parametrize("domain", ALL, ids=lambda domain: f"{domain.type} {domain.name}")


def test_ids_are_ids_and_each_stands_once() -> None:
    assert len(ALL) == 19
    assert len(domains().by_id) == len(ALL)
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", domain.id) for domain in ALL)
    assert len({(domain.type, domain.name) for domain in ALL}) == len(ALL)


@everyone
def test_every_domain_has_the_recipes_of_its_type_and_no_others(domain: Domain) -> None:
    of_classifiers = (ClassifierRecipe, AdvancedRecipe)
    of_detectors = (DetectorRecipe, AdvancedDetectorRecipe)
    own, others = (
        (of_classifiers, of_detectors) if domain.type == "Classification" else (of_detectors, of_classifiers)
    )

    assert domain.recipe.type == domain.type
    for kind, part in zip(own, ("quick", "advanced"), strict=True):
        made = recipe_for_domain(kind, domain.id.upper())
        assert made is recipe_for_domain(kind, domain.id)
        assert set(getattr(domain.recipe, part)) <= {each.name for each in fields(made)}
        assert hash(made) is not None  # lists of the file have become tuples
    for kind in others:
        with pytest.raises(KeyError):
            recipe_for_domain(kind, domain.id)


@pytest.mark.parametrize("name", ["General", "Adult", "General [A2]"])
def test_the_measuring_scripts_use_the_recipes_of_the_domains(name: str) -> None:
    classifier = domains().named(name, "Classification").id
    assert (
        recipe_for_domain(ClassifierRecipe, classifier),
        recipe_for_domain(AdvancedRecipe, classifier),
    ) == (QUICK, ADVANCED)


def test_compact_domains_differ_where_their_exports_promise_something() -> None:
    for domain in COMPACT:
        if domain.type == "Classification":
            assert recipe_for_domain(AdvancedRecipe, domain.id) == ADVANCED_COMPACT
            size = 300 if domain.name.endswith("[S1]") else QUICK.resolution
            assert recipe_for_domain(ClassifierRecipe, domain.id).resolution == size
        else:
            assert recipe_for_domain(AdvancedDetectorRecipe, domain.id) == replace(
                ADVANCED_DETECTOR, resolutions=(320,), tiles_below=0
            )
            size = None if domain.name.endswith("[S1]") else 416
            assert recipe_for_domain(DetectorRecipe, domain.id) == replace(
                QUICK_DETECTOR, input_resolution=size, larger_resolutions=()
            )


def test_names_are_found_in_any_case_and_errors_about_unknown_ones_list_the_known() -> None:
    general = domains().named("general (COMPACT)", "ObjectDetection")
    assert general.id == "a27d5ca5-bb19-49d8-a70a-fec086c47f5b"
    assert domains().named(general.id.upper(), "ObjectDetection") is general
    with pytest.raises(ValueError, match="no object detection domain 'Food'; there are General, Logo"):
        domains().named("Food", "ObjectDetection")


@pytest.mark.skipif(
    importlib.util.find_spec("hatchling") is None, reason="hatchling is missing: pip install hatchling"
)
def test_the_file_is_in_the_package_that_is_built(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed", [n for n in archive.namelist() if not n.endswith(".npz")])
    code = "from emulator.vision.recipes.domains import domains; print(len(domains().all))"
    ran = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=tmp_path / "installed", capture_output=True, text=True
    )
    assert (ran.stdout, ran.stderr) == (f"{len(ALL)}\n", "")
