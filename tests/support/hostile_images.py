"""Image files that take a decoder long, or that are odd, for few bytes."""

import struct
import zlib
from io import BytesIO

from PIL import Image


def encoded(image: Image.Image, image_format: str, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(
    width: int = 8,
    height: int = 8,
    *,
    depth: int = 8,
    colours: int = 0,
    before: bytes = b"",
    data: bytes | None = None,
) -> bytes:
    """A black PNG. colours: the colour type. before: chunks before the pixels. data: the IDAT chunks."""
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colours]
    if data is None:
        row = b"\0" * (1 + (width * depth * samples + 7) // 8)
        packer = zlib.compressobj(9)
        data = chunk(b"IDAT", b"".join(packer.compress(row) for _ in range(height)) + packer.flush())
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + before + data + chunk(b"IEND", b"")


def jpeg(width: int = 16, height: int = 16, mode: str = "RGB", **options: object) -> bytes:
    """A grey JPEG. Its header promises the size; the missing pixels are filled in by the decoder."""
    data = encoded(Image.new(mode, (16, 16), "grey"), "JPEG", **options)
    at = next(data.index(marker) for marker in (b"\xff\xc2", b"\xff\xc0") if marker in data)
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


def after_start(data: bytes, content: bytes) -> bytes:
    """A JPEG with more bytes after its first marker."""
    return data[:2] + content + data[2:]


def with_scans(data: bytes, count: int) -> bytes:
    """A progressive JPEG whose last scan is followed by `count` short ones of the same kind."""
    start = data.rindex(b"\xff\xda")
    length = int.from_bytes(data[start + 2 : start + 4], "big")
    return data[:-2] + (data[start : start + 2 + length] + b"\x7f") * count + data[-2:]


def run_length_bmp(width: int, height: int) -> bytes:
    """A BMP with one pixel and "end of line" for each row."""
    rows = b"\x01\x01\0\0" * height + b"\0\x01"
    offset = 14 + 40 + 1024
    header = b"BM" + struct.pack("<IHHI", offset + len(rows), 0, 0, offset)
    header += struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(rows), 0, 0, 256, 0)
    return header + bytes(1024) + rows


def gif_with_extension(content: bytes) -> bytes:
    """A GIF with extension blocks before its image."""
    data = encoded(Image.new("P", (8, 8)), "GIF")
    palette = 3 << ((data[10] & 7) + 1) if data[10] & 0x80 else 0
    return data[: 13 + palette] + content + data[13 + palette :]


TOO_MUCH_WORK = {
    "scans": with_scans(jpeg(progressive=True), 30_000),
    "scans of many pixels": with_scans(jpeg(10_000, 10_000, progressive=True), 50),
    "scans of one component each": with_scans(jpeg(progressive=True), 250),
    "segments": after_start(jpeg(), b"\xff\xfe\0\x02" * 100_000),
    "EXIF segments": after_start(jpeg(), b"\xff\xe1\0\x08Exif\0\0" * 100_000),
    "fill bytes": after_start(jpeg(), b"\xff" * 4_000_000),
    "fill bytes only": b"\xff\xd8" + b"\xff" * 4_000_000,
    "bytes without a marker": b"\xff\xd8\xff" + bytes(4_000_000),
    "fill bytes after the end": b"\xff\xd8\xff\xd9" + b"\xff" * 4_000_000,
    "coefficients": jpeg(10_240, 10_240, "CMYK", progressive=True),
    "empty IDAT chunks": png(data=chunk(b"IDAT", b"") * 100_000),
    "IDAT chunks of a byte": png(data=chunk(b"IDAT", b"x") * 100_000),
    "text chunks": png(before=chunk(b"tEXt", b"a\0b") * 100_000),
    "a comment of short blocks": gif_with_extension(b"\x21\xfe" + b"\x01x" * 1_000_000 + b"\0"),
    "extensions": gif_with_extension(b"\x21\xff\x01x\0" * 500_000),
    "run lengths": run_length_bmp(10_000, 10_000),
}
ODD_BUT_USABLE = {
    "GIF with a long comment": encoded(Image.new("P", (8, 8)), "GIF", comment=b"x" * 65_534),
    "GIF with many comments": gif_with_extension(b"\x21\xfe\x01x\0" * 1_000),
    "GIF with many extensions": gif_with_extension(b"\x21\xff\x01x\0" * 1_000),
    "PNG with a bomb of text": png(before=chunk(b"zTXt", b"a\0\0" + zlib.compress(b"x" * 1_000_000)) * 20),
    "PNG with a broken ICC profile": png(before=chunk(b"iCCP", b"a\0\0" + zlib.compress(b"no profile"))),
    "PNG with broken EXIF": png(before=chunk(b"eXIf", b"II*\0\xff\xff\xff\xff")),
    "PNG, 16-bit grey": png(depth=16),
    "PNG, 16-bit grey and transparency": png(depth=16, before=chunk(b"tRNS", b"\0\0")),
    "PNG, grey and alpha": png(colours=4),
    "PNG, 16 bits and alpha": png(depth=16, colours=6),
    "PNG with a transparent colour": png(colours=2, before=chunk(b"tRNS", bytes(6))),
    "PNG, one bit": png(depth=1),
    "PNG with zeros after its end": png() + bytes(1_000_000),
    "PNG with a palette of one colour": png(colours=3, before=chunk(b"PLTE", b"\x01\x02\x03")),
    "JPEG, CMYK": jpeg(mode="CMYK"),
    "JPEG, CMYK without Adobe's marker": jpeg(mode="CMYK").replace(b"Adobe", b"Other"),
    "JPEG with a broken ICC profile": encoded(Image.new("CMYK", (8, 8)), "JPEG", icc_profile=b"none"),
    "JPEG with a long comment": encoded(Image.new("RGB", (8, 8)), "JPEG", comment=b"x" * 65_533),
    "JPEG with scans": with_scans(jpeg(progressive=True), 100),
    "small BMP with run lengths": run_length_bmp(16, 16),
}
UNUSABLE = {
    "PNG without its palette": png(colours=3),
    "PNG of no width": png(0, 8),
    "truncated JPEG": jpeg()[:-20],
    "BMP without pixels": encoded(Image.new("RGB", (8, 8)), "BMP")[:60],
}
