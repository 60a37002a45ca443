"""Invalid, damaged, too large, rare and rotated images."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from tests.support.harness import Service, expect, files_body, refusal
from tests.support.images import picture
from tests.support.waiting import wait_until

MEGABYTE = 2**20


def png(width: int, height: int) -> bytes:
    """A one-bit PNG of zeros, however large: a few kilobytes for hundreds of megapixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((1 + (width + 7) // 8) * height), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def sixteen_bits() -> bytes:
    file = BytesIO()
    image = Image.new("I;16", (40, 30))
    image.putdata([min(65535, 60 * number) for number in range(1200)])
    image.save(file, "PNG")
    return file.getvalue()


def turned() -> bytes:
    """48 x 36 as stored, 36 x 48 when its orientation is applied."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return picture(format="JPEG", exif=exif)


def padded(data: bytes, size: int) -> bytes:
    """A JPEG of exactly `size` bytes: bytes after its end marker are ignored."""
    return data + b"\0" * (size - len(data))


JPEG = picture(format="JPEG", size=(200, 150))
PNG = picture(size=(200, 150))
GOOD = {
    "jpeg": JPEG,
    "png": PNG,
    "bmp": picture(format="BMP"),
    "gif": picture(format="GIF"),
    "cmyk": picture(format="JPEG", mode="CMYK"),
    "grey": picture(format="JPEG", mode="L"),
    "palette": picture(mode="P"),
    "one bit": picture(mode="1"),
    "transparent": picture(mode="RGBA"),
    "16 bit": sixteen_bits(),
    "turned": turned(),
    "progressive": picture(format="JPEG", progressive=True),
    "6 MB": padded(JPEG, 6 * MEGABYTE),
    "as thin as may be": picture(size=(250, 10)),
    "as large as may be": png(10_240, 500),
    "one pixel": picture(size=(1, 1)),
}
# By name: the bytes, the status of an upload, the error code of a prediction.
BAD = {
    "empty": (b"", "ErrorImageFormat", "BadRequestImageStream"),
    "text": (b"this is no image", "ErrorImageFormat", "BadRequestImageFormat"),
    "html": (b"<html><img/></html>", "ErrorImageFormat", "BadRequestImageFormat"),
    "tiff": (picture(format="TIFF"), "ErrorImageFormat", "BadRequestImageFormat"),
    "webp": (picture(format="WEBP"), "ErrorImageFormat", "BadRequestImageFormat"),
    "truncated jpeg": (JPEG[: len(JPEG) // 2], "ErrorImageFormat", "BadRequestImageFormat"),
    "truncated png": (PNG[: len(PNG) // 2], "ErrorImageFormat", "BadRequestImageFormat"),
    "header alone": (PNG[:40], "ErrorImageFormat", "BadRequestImageFormat"),
    "signature alone": (b"\xff\xd8\xff", "ErrorImageFormat", "BadRequestImageFormat"),
    "damaged": (PNG[:60] + bytes(20) + PNG[80:], "ErrorImageFormat", "BadRequestImageFormat"),
    "over 6 MB": (padded(JPEG, 6 * MEGABYTE + 1), "ErrorImageSize", "BadRequestImageSizeBytes"),
    "over 10,240 pixels": (png(10_241, 500), "ErrorImageDimensions", "BadRequestImageDimensions"),
    "thinner than 25:1": (picture(size=(251, 10)), "ErrorImageDimensions", "BadRequestImageDimensions"),
    "taller than 25:1": (picture(size=(10, 251)), "ErrorImageDimensions", "BadRequestImageDimensions"),
    "bomb": (png(60_000, 60_000), "ErrorImageDimensions", "BadRequestImageDimensions"),
    "no pixels": (png(0, 0), "ErrorImageFormat", "BadRequestImageFormat"),
}


@pytest.fixture(scope="module")
def bomb_is_a_bomb() -> None:
    assert len(BAD["bomb"][0]) < 1_000_000


@pytest.mark.parametrize("name", GOOD)
def test_images_of_every_accepted_kind(service: Service, name: str) -> None:
    project = service.project()
    item = service.upload(project, [GOOD[name]])[0]
    assert item["status"] == "OK"
    shown = service.follow(item["image"]["originalImageUri"])
    assert shown.status_code == 200
    assert Image.open(BytesIO(shown.content)).size == (item["image"]["width"], item["image"]["height"])


def test_orientation_swaps_width_and_height(service: Service) -> None:
    image = service.upload(service.project(), [turned()])[0]["image"]
    assert (image["width"], image["height"]) == (36, 48)


def test_the_longest_side_is_stored_as_1600(service: Service) -> None:
    image = service.upload(service.project(), [png(10_240, 500)])[0]["image"]
    assert (image["width"], image["height"]) == (1600, 78)


@pytest.mark.usefixtures("bomb_is_a_bomb")
@pytest.mark.parametrize("name", BAD)
def test_bad_images_fail_alone_in_their_batch_and_leave_nothing(service: Service, name: str) -> None:
    data, status, _ = BAD[name]
    project = service.project()
    good, bad, other = service.upload(project, [picture(1), data, picture(2)])
    assert [item["status"] for item in (good, bad, other)] == ["OK", status, "OK"]
    assert bad["image"] is None
    assert service.get(f"{project}/images/count") == len(service.blobs()) == 2


def test_a_batch_of_bad_images_alone_is_refused_as_a_whole_when_none_is_an_image(service: Service) -> None:
    project = service.project()
    body = files_body([data for data, status, _ in BAD.values() if status == "ErrorImageFormat"])
    assert service.refused("POST", f"{project}/images/files", json=body)[1] == "BadRequestImageBatch"
    response = service.send("POST", f"{project}/images/files", json=files_body([BAD["bomb"][0]]))
    assert (response.status_code, response.json()["isBatchSuccessful"]) == (207, False)


@pytest.fixture(scope="module")
def predicting(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    """A service and the address of a published iteration, made once: predictions change nothing in it."""
    from tests.support.harness import running_service

    folder: Path = tmp_path_factory.mktemp("predicting")
    for service in running_service(folder):
        project, _, _ = service.trainable()
        yield service, service.publish(service.train(project))


@pytest.mark.parametrize("name", [name for name in GOOD if name != "6 MB"])
def test_images_of_every_accepted_kind_are_predicted(predicting: tuple[Service, str], name: str) -> None:
    service, address = predicting
    response = expect(service.predict(address, GOOD[name], "/image/nostore"))
    assert sum(item["probability"] for item in response["predictions"]) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("name", BAD)
def test_bad_images_are_not_predicted(predicting: tuple[Service, str], name: str) -> None:
    service, address = predicting
    data, _, code = BAD[name]
    before = service.blobs()
    response = service.predict(address, data)
    assert refusal(response)[:2] == (400, code)
    if code == "BadRequestImageFormat":
        digits = response.headers["apim-request-id"].replace("-", "")
        assert response.json()["message"] == f"Bad Request Image Format, Uri: {digits}"
    # What was written while the image was decoded is removed after the response.
    wait_until(lambda: service.blobs() <= before, "the removal of the refused image")


def test_an_image_over_4_mb_is_trained_on_but_not_predicted(predicting: tuple[Service, str]) -> None:
    service, address = predicting
    data = padded(JPEG, 4 * MEGABYTE)
    expect(service.predict(address, data, "/image/nostore"))
    response = service.predict(address, data + b"\0", "/image/nostore")
    assert refusal(response)[:2] == (400, "BadRequestImageSizeBytes")
    iteration = service.get(f"/projects/{address.split('/')[4]}/iterations")[0]["id"]
    quick = service.send(
        "POST",
        f"/projects/{address.split('/')[4]}/quicktest/image",
        params={"iterationId": iteration, "store": "false"},
        content=padded(JPEG, 6 * MEGABYTE),
        headers={"Content-Type": "application/octet-stream"},
    )
    assert quick.status_code == 200


def test_the_orientation_of_an_image_is_applied_before_the_model(predicting: tuple[Service, str]) -> None:
    service, address = predicting
    upright = Image.open(BytesIO(turned())).transpose(Image.Transpose.ROTATE_270)
    file = BytesIO()
    upright.save(file, "PNG")
    responses = [
        expect(service.predict(address, data, "/image/nostore"))["predictions"]
        for data in (turned(), file.getvalue())
    ]
    assert [item["tagId"] for item in responses[0]] == [item["tagId"] for item in responses[1]]
    assert responses[0][0]["probability"] == pytest.approx(responses[1][0]["probability"], abs=1e-3)
