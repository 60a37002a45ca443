"""What torchvision publishes, by name: files, checksums, licences; names that do not exist."""

import pytest

from emulator.vision.backbones.published import published_weights_of
from emulator.vision.backbones.torchvision_networks import architectures
from emulator.vision.backbones.weights_files import WeightsRejected
from tests.support.vision.backbones import needs_torchvision

pytestmark = [needs_torchvision]


def test_the_recommended_weights_of_a_network() -> None:
    found = published_weights_of("ResNet50")
    assert (found.architecture, found.version) == ("resnet50", "IMAGENET1K_V2")
    assert found.url == f"https://download.pytorch.org/models/resnet50-{found.sha256}.pth"
    assert found.file_name == f"resnet50-{found.sha256}.pth"
    assert len(found.sha256) == 8
    assert found.size is not None
    assert 90 * 10**6 < found.size < 110 * 10**6
    assert "BSD-3-Clause" in found.licence
    assert "research" in found.licence


def test_another_version() -> None:
    assert published_weights_of("resnet50:imagenet1k_v1").version == "IMAGENET1K_V1"


def test_a_licence_of_its_own() -> None:
    found = published_weights_of("vit_b_16:IMAGENET1K_SWAG_E2E_V1")
    assert "not for commercial use" in found.licence
    assert "SWAG/blob/main/LICENSE" in found.licence


def test_every_network_has_a_file_or_a_reason() -> None:
    refused = {}
    for name in architectures():
        try:
            found = published_weights_of(name)
        except WeightsRejected as rejected:
            refused[name] = str(rejected)
        else:
            assert found.file_name.endswith(f"-{found.sha256}.pth")
            assert found.url.startswith("https://")
            assert found.licence
    assert set(refused) <= {"vit_h_14", "regnet_y_128gf"}
    assert all("GB of weights" in reason for reason in refused.values())


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("resnet5", "did you mean resnet50"),
        ("fasterrcnn_resnet50_fpn", "is no classification network"),
        ("resnet50:V3", "there are IMAGENET1K_V1, IMAGENET1K_V2"),
        ("vgg16:IMAGENET1K_FEATURES", "no weights 'IMAGENET1K_FEATURES'"),
        (":", "is no classification network"),
    ],
)
def test_names_that_do_not_exist(name: str, reason: str) -> None:
    with pytest.raises(WeightsRejected, match=reason):
        published_weights_of(name)
