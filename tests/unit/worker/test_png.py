"""Our PNGs: every decoder gives the pixels back, and no kind of picture comes out much larger than Pillow makes it."""

import io
import random
import struct
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from server.worker.png import chunk, encode_png, text_chunk, utf8_chunk

Painter = Callable[[int, int], tuple[int, int, int]]


def painted(width: int, height: int, painter: Painter) -> bytes:
    return bytes(value % 256 for y in range(height) for x in range(width) for value in painter(x, y))


def noisy(x: int, y: int) -> tuple[int, int, int]:
    noise = random.Random(x * 10_007 + y)
    return tuple(int(128 + 90 * ((x + 2 * y + 50 * band) % 600 / 600) + noise.gauss(0, 1.5)) for band in range(3))


def graded(x: int, y: int) -> tuple[int, int, int]:
    return x // 2, y // 2, (x + y) // 4


def flat(x: int, y: int) -> tuple[int, int, int]:
    return (200, 30, 30) if (x - 150) ** 2 + (y - 150) ** 2 < 90**2 else (20, 120, 120)


PAINTERS: dict[str, Painter] = {"noisy": noisy, "graded": graded, "flat": flat}


def chunks_of(png: bytes) -> list[tuple[bytes, bytes]]:
    """Take a file apart by the specification: signature, then length, kind, body, check sum."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    found, place = [], 8
    while place < len(png):
        (length,) = struct.unpack_from(">I", png, place)
        kind, body = png[place + 4 : place + 8], png[place + 8 : place + 8 + length]
        assert struct.unpack_from(">I", png, place + 8 + length)[0] == zlib.crc32(kind + body), kind
        found.append((kind, body))
        place += 12 + length
    return found


def decoded(png: bytes) -> tuple[int, int, bytes]:
    """A decoder of its own, for the filters that we use."""
    chunks = chunks_of(png)
    width, height, *rest = struct.unpack(">II5B", chunks[0][1])
    assert rest == [8, 2, 0, 0, 0]
    data = zlib.decompress(b"".join(body for kind, body in chunks if kind == b"IDAT"))
    stride, rows, above = 3 * width, [], bytes(3 * width)
    assert len(data) == height * (1 + stride)
    for start in range(0, len(data), 1 + stride):
        number, line = data[start], bytearray(data[start + 1 : start + 1 + stride])
        for at in range(stride):
            left = line[at - 3] if at >= 3 else 0
            line[at] = (line[at] + {2: above[at], 3: (left + above[at]) // 2}[number]) % 256
        rows.append(above := bytes(line))
    return width, height, b"".join(rows)


def pillow_decoded(png: bytes) -> tuple[int, int, bytes]:
    image = Image.open(io.BytesIO(png))
    assert image.mode == "RGB"
    return *image.size, image.tobytes()


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (300, 300), (257, 256), (600, 110), (2000, 33)])
@pytest.mark.parametrize("name", PAINTERS)
def test_both_decoders_give_the_pixels_back(name: str, size: tuple[int, int]):
    rgb = painted(*size, PAINTERS[name])
    png = encode_png(*size, rgb)
    assert decoded(png) == pillow_decoded(png) == (*size, rgb)


@settings(max_examples=60, deadline=None)
@given(st.tuples(st.integers(1, 40), st.integers(1, 40)), st.randoms(use_true_random=False))
def test_any_pixels_come_back(size: tuple[int, int], chance: random.Random):
    rgb = chance.randbytes(3 * size[0] * size[1])
    png = encode_png(*size, rgb)
    assert decoded(png) == pillow_decoded(png) == (*size, rgb)


@pytest.mark.parametrize(("name", "most"), [("noisy", 1.05), ("graded", 1.15), ("flat", 1.1)])
@pytest.mark.parametrize("side", [200, 400])
def test_no_kind_of_picture_comes_out_much_larger_than_pillow_makes_it(name: str, most: float, side: int):
    rgb = painted(side, side, PAINTERS[name])
    theirs = io.BytesIO()
    Image.frombytes("RGB", (side, side), rgb).save(theirs, "PNG")
    own = len(encode_png(side, side, rgb))
    assert own <= most * len(theirs.getvalue()) + 400


def test_chunks_stand_between_head_and_pixels():
    told = [text_chunk("Comment", "grüßt"), utf8_chunk("easel", "狐"), text_chunk("parameters", "狐")]
    png = encode_png(2, 1, bytes(6), told)
    assert [kind for kind, _ in chunks_of(png)] == [b"IHDR", b"tEXt", b"iTXt", b"iTXt", b"IDAT", b"IEND"]
    image = Image.open(io.BytesIO(png))
    image.load()
    assert image.info == {"Comment": "grüßt", "easel": "狐", "parameters": "狐"}


def test_the_last_chunk_is_the_one_that_every_png_ends_with():
    assert chunk(b"IEND", b"") == bytes.fromhex("0000000049454e44ae426082")


def test_pixels_that_are_no_picture_are_refused():
    with pytest.raises(ValueError, match="12 bytes, not 11"):
        encode_png(2, 2, bytes(11))
