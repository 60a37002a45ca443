"""Originals in place of images that the service has scaled down."""

import hashlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy
import pytest
from PIL import Image

from emulator.core.pulled.archive import PullArchive
from emulator.core.pulled.insert import insert
from emulator.core.pulled.originals import Attached, attach_originals
from emulator.pulling.project import ProjectPull
from emulator.pulling.service import Endpoint
from emulator.pulling.service import Service as Client
from emulator.pulling.throttle import Throttle
from emulator.vision.imaging.decode import to_jpeg
from tests.support.cloud import KEY, Cloud
from tests.support.harness import Service

_SIZE = (2000, 1500)
_UPRIGHT_BY_EXIF = 6


def scene(number: int, moved: int = 0, size: tuple[int, int] = _SIZE) -> Image.Image:
    """A picture with structure at all scales, and a part that lies elsewhere in another frame."""
    generator = numpy.random.default_rng(number)
    pixels = numpy.zeros((*size[::-1], 3), numpy.float32)
    for cells in (4, 16, 64, 256):
        small = Image.fromarray(generator.integers(0, 256, (cells, cells, 3), numpy.uint8))
        pixels += numpy.asarray(small.resize(size, Image.Resampling.BICUBIC), numpy.float32) / 4
    left = 300 + moved
    pixels[700:760, left : left + 60] = (250, 20, 20)
    return Image.fromarray(pixels.astype(numpy.uint8))


def jpeg(image: Image.Image, quality: int = 92, **options: bytes) -> bytes:
    made = BytesIO()
    image.save(made, "JPEG", quality=quality, **options)
    return made.getvalue()


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud(0) as started:
        yield started


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[PullArchive]:
    opened = PullArchive(tmp_path / "archive")
    yield opened
    opened.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "photographs" / "2020"
    made.mkdir(parents=True)
    return made


def add(cloud: Cloud, number: int, original: bytes) -> str:
    """An image as the service has it: upright, at most 1,600 pixels, encoded again."""
    image = cloud.add(number, width=1600, height=1200)
    cloud.files[image["id"]] = to_jpeg(original, 1600, quality=80)
    return str(image["id"])


def attached(cloud: Cloud, archive: PullArchive, folder: Path) -> Attached:
    client = Client(Endpoint.parse(cloud.endpoint), KEY, Throttle(1000), attempts=2)
    ProjectPull(client, archive, cloud.id).run()
    client.close()
    return attach_originals(archive, folder.parent)


def turned(image: Image.Image) -> bytes:
    """The same picture as it comes from a camera that was held upright."""
    exif = Image.Exif()
    exif[0x0112] = _UPRIGHT_BY_EXIF
    return jpeg(image.transpose(Image.Transpose.ROTATE_90), exif=exif.tobytes())


def test_originals_take_the_place_of_images_and_nothing_else_changes(
    cloud: Cloud, archive: PullArchive, folder: Path, service: Service
) -> None:
    originals = {number: jpeg(scene(number)) for number in (1, 2)} | {3: turned(scene(3))}
    ids = {number: add(cloud, number, content) for number, content in originals.items()}
    small = str(cloud.add(50)["id"])
    for number, content in originals.items():
        (folder / f"IMG_{number}.JPG").write_bytes(content)
    (folder / "copy of 1.jpg").write_bytes(originals[1])
    for number in (11, 12):
        (folder / f"stranger{number}.jpg").write_bytes(jpeg(scene(number)))
    (folder / "no picture.jpg").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("no picture", "utf-8")
    found = attached(cloud, archive, folder)
    assert (found.images, found.exchanged, found.files, found.unreadable) == (3, 3, 7, 1)
    assert found.ambiguous == []
    insert(service.context, archive)
    shown = {image["id"]: image for image in service.get(f"/projects/{cloud.id}/images")}
    for number, image in ids.items():
        ((blob, size),) = service.rows(f"SELECT blob, size FROM image WHERE id = '{image}'")
        assert (service.context.blobs.read(blob), size) == (originals[number], len(originals[number]))
        assert (shown[image]["width"], shown[image]["height"]) == (1600, 1200)
        assert shown[image]["tags"] == next(one["tags"] for one in cloud.images if one["id"] == image)
    ((blob,),) = service.rows(f"SELECT blob FROM image WHERE id = '{small}'")
    assert service.context.blobs.read(blob) == cloud.files[small]


def test_another_frame_of_the_same_camera_is_no_original(
    cloud: Cloud, archive: PullArchive, folder: Path
) -> None:
    add(cloud, 1, jpeg(scene(1)))
    (folder / "next.jpg").write_bytes(jpeg(scene(1, moved=90)))
    found = attached(cloud, archive, folder)
    assert (found.exchanged, found.ambiguous) == (0, [])
    (folder / "this.jpg").write_bytes(jpeg(scene(1)))
    again = attach_originals(archive, folder)
    assert again.exchanged == 1
    (image,) = cloud.images
    stored = archive.file("image", image["id"])
    assert stored is not None
    assert stored.path.read_bytes() == jpeg(scene(1))


def test_pictures_that_cannot_be_told_apart_are_named_and_left(
    cloud: Cloud, archive: PullArchive, folder: Path
) -> None:
    image = add(cloud, 1, jpeg(scene(1)))
    for quality in (91, 93):
        (folder / f"{quality}.jpg").write_bytes(jpeg(scene(1), quality))
    found = attached(cloud, archive, folder)
    assert (found.exchanged, found.ambiguous) == (0, [image])


def test_a_repeated_run_exchanges_nothing_again_and_notes_what_an_earlier_one_wrote(
    cloud: Cloud, archive: PullArchive, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = add(cloud, 1, jpeg(scene(1)))
    (folder / "1.jpg").write_bytes(jpeg(scene(1)))

    class Killed(BaseException):
        """The end of the process."""

    def killed(*_: object) -> None:
        raise Killed

    attached(cloud, archive, folder / "2021" / "none")
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(archive, "put_file", killed)
        attach_originals(archive, folder)
    assert attach_originals(archive, folder / "elsewhere").exchanged == 1
    stored = archive.file("image", image)
    assert stored is not None
    assert stored.sha256 == hashlib.sha256(jpeg(scene(1))).hexdigest()
    assert attached(cloud, archive, folder).exchanged == 1
    assert cloud.fetched()[image] == 1
