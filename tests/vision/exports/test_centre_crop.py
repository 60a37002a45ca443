"""Programs that prepare images by the documented rule, without code of the emulator or of its samples."""

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy
import onnxruntime
import pytest
from PIL import Image, ImageOps

from emulator.vision.exports.samples import image as sample_image
from emulator.vision.exports.samples.image import resized
from emulator.vision.imaging.decode import open_rgb
from tests.support.vision.images import photograph
from tests.vision.exports.conftest import KINDS, LABELS, Expected, Kind, MakeOrder
from tests.vision.exports.parity import written

CLASSIFIER, MULTILABEL = KINDS[:2]


def weights(size: int, begin: float, length: float, count: int) -> numpy.ndarray:
    """The share of each of `size` pixels in each of `count` pixels of the interval of this length: triangles
    that are as wide as two pixels of the result, or of the source where it is enlarged."""
    scale = length / count
    reach = max(scale, 1.0)
    centres = begin + (numpy.arange(count) + 0.5) * scale
    distances = numpy.abs(numpy.arange(size)[None] + 0.5 - centres[:, None]) / reach
    shares = numpy.clip(1 - distances, 0, None)
    return shares / shares.sum(axis=1, keepdims=True)


def by_matrices(image: Image.Image) -> numpy.ndarray:
    """The centre of 224 x 224 pixels of the image whose shorter side is 256, with NumPy alone."""
    pixels = numpy.asarray(image, float)
    height, width, _ = pixels.shape
    side = min(width, height) * 224 / 256
    rows = weights(height, (height - side) / 2, side, 224)
    columns = weights(width, (width - side) / 2, side, 224)
    return numpy.rint(numpy.einsum("ij,jkc,lk->ilc", rows, pixels, columns, optimize=True))


def in_two_steps(image: Image.Image) -> numpy.ndarray:
    """The same by scaling and cropping at whole pixels, as the programs in the service's exports do."""
    scale = 256 / min(image.size)
    scaled = image.resize(
        (round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR
    )
    left, top = (scaled.width - 224) // 2, (scaled.height - 224) // 2
    return numpy.asarray(scaled.crop((left, top, left + 224, top + 224)), float)


def stretched(image: Image.Image) -> numpy.ndarray:
    return numpy.asarray(image.resize((224, 224), Image.Resampling.BILINEAR), float)


PROGRAMS = (by_matrices, in_two_steps, stretched)


@pytest.fixture(scope="module")
def export(make_order: MakeOrder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(make_order(CLASSIFIER, "ONNX"), tmp_path_factory.mktemp("export"))


@pytest.mark.parametrize("size", [(640, 427), (427, 640), (256, 256), (300, 300), (231, 120), (97, 233)])
def test_the_sample_program_resizes_by_the_documented_rule(size: tuple[int, int], export: Path) -> None:
    image = photograph(size)
    properties = json.loads((export / "metadata_properties.json").read_text(encoding="utf-8"))

    pixels = numpy.asarray(resized(image, properties), float)

    assert numpy.abs(pixels - by_matrices(image)).max() <= 1.5  # both axes are rounded
    assert numpy.abs(pixels - in_two_steps(image)).mean() <= 4


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_the_sample_program_blends_transparent_pixels_with_white(
    mode: str, export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_image, "FOLDER", export)
    image = photograph((64, 64)).convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    if mode == "PA":
        image = image.quantize(32)
    else:
        image = image.convert(mode)
    image.save(tmp_path / "image.png")

    pixels = sample_image.load_image(str(tmp_path / "image.png"))

    properties = sample_image.metadata()
    as_in_the_api = numpy.asarray(
        resized(open_rgb((tmp_path / "image.png").read_bytes()), properties), numpy.float32
    )
    assert numpy.abs(pixels[0, :, :, ::-1] - as_in_the_api).max() <= 2


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
@pytest.mark.parametrize("kind", [CLASSIFIER, MULTILABEL], ids=lambda kind: kind.name)
def test_programs_that_crop_get_the_results_of_the_prediction_api(
    kind: Kind,
    program: Callable[[Image.Image], numpy.ndarray],
    make_order: MakeOrder,
    photographs: dict[str, bytes],
    expected: Expected,
    tmp_path: Path,
) -> None:
    folder = written(make_order(kind, "ONNX"), tmp_path)
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    (source,) = session.get_inputs()
    differences = []
    for name, data in photographs.items():
        with Image.open(BytesIO(data)) as opened:
            pixels = program(ImageOps.exif_transpose(opened).convert("RGB"))
        blue_first = numpy.ascontiguousarray(pixels[:, :, ::-1].transpose(2, 0, 1)[None], numpy.float32)
        ((found,),) = session.run(["loss"], {source.name: blue_first})
        values = numpy.array([found[label] for label in LABELS])
        differences.append(numpy.abs(values - expected(kind).by_name[name]).max())

    # The heads are random: rounded pixels have more effect on them than on trained heads.
    if program is stretched:
        assert numpy.mean(differences) > 0.05
    else:
        assert numpy.mean(differences) <= 0.02
        assert max(differences) <= 0.1
