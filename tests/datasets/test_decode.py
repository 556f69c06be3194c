"""Every kind of image -> 8-bit RGB, by value."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
from PIL import Image

from xaibench.datasets.decode import decode

GREY = np.arange(0, 252, 4, dtype=np.uint8).reshape(7, 9)
COLOUR = np.stack([GREY, GREY[::-1], 255 - GREY], -1)


def reopened(image: Image.Image, kind: str, **options: object) -> Image.Image:
    """The image after a trip through a file format."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return Image.open(io.BytesIO(file.getvalue()))


def pixels(image: Image.Image) -> np.ndarray:
    """Decoded (H, W, 3) values; the mode must be RGB."""
    found = decode(image)
    assert found.mode == "RGB"
    assert found.size == image.size
    return np.asarray(found).astype(int)


def as_rgb(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, -1)


def test_colour_is_unchanged() -> None:
    np.testing.assert_array_equal(pixels(reopened(Image.fromarray(COLOUR), "png")), COLOUR)


def test_greyscale_is_repeated() -> None:
    np.testing.assert_array_equal(pixels(reopened(Image.fromarray(GREY), "png")), as_rgb(GREY))


def test_one_bit_is_black_and_white() -> None:
    image = Image.fromarray(GREY).convert("1", dither=Image.Dither.NONE)
    assert image.mode == "1"
    expected = as_rgb(np.where(GREY > 127, 255, 0))
    np.testing.assert_array_equal(pixels(reopened(image, "png")), expected)


def test_alpha_is_dropped() -> None:
    alpha = GREY.T.reshape(7, 9)
    rgba = Image.fromarray(np.dstack([COLOUR, alpha]))
    assert rgba.mode == "RGBA"
    np.testing.assert_array_equal(pixels(reopened(rgba, "png")), COLOUR)
    la = Image.fromarray(np.dstack([GREY, alpha]))
    assert la.mode == "LA"
    np.testing.assert_array_equal(pixels(reopened(la, "png")), as_rgb(GREY))


@pytest.mark.parametrize("transparency", [None, 3, bytes(range(16))])
def test_palette_colours(transparency: int | bytes | None) -> None:
    places = (np.arange(63, dtype=np.uint8) % 16).reshape(7, 9)
    palette = [(16 * i, 255 - 16 * i, 5 * i) for i in range(16)]
    image = Image.fromarray(places).convert("L")
    image = Image.frombytes("P", image.size, image.tobytes())
    image.putpalette([value for colour in palette for value in colour])
    options = {} if transparency is None else {"transparency": transparency}
    again = reopened(image, "png", **options)
    assert again.mode == "P"
    assert ("transparency" in again.info) == (transparency is not None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(pixels(again), np.array(palette)[places])


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_sixteen_bits_are_scaled_not_clipped(kind: str) -> None:
    deep = np.array([[0, 128, 257, 1000, 32767, 32896, 65407, 65535]], dtype=np.uint16)
    image = reopened(Image.fromarray(deep), kind)
    assert image.mode.startswith("I")
    expected = as_rgb(np.array([[0, 0, 1, 4, 127, 128, 255, 255]]))
    np.testing.assert_array_equal(pixels(image), expected)


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I;16L"])
def test_every_byte_order_of_sixteen_bits(mode: str) -> None:
    deep = (GREY.astype(np.uint16) * 257).astype(">u2" if mode == "I;16B" else "<u2")
    image = Image.frombytes(mode, (9, 7), deep.tobytes())
    np.testing.assert_array_equal(pixels(image), as_rgb(GREY))


def test_thirty_two_bit_integers_of_a_sixteen_bit_file() -> None:
    image = Image.fromarray(GREY.astype(np.int32) * 257)
    assert image.mode == "I"
    np.testing.assert_array_equal(pixels(image), as_rgb(GREY))


def test_floats_are_read_by_their_range() -> None:
    whole = Image.fromarray(GREY.astype(np.float32))
    unit = Image.fromarray(GREY.astype(np.float32) / 255)
    np.testing.assert_array_equal(pixels(whole), as_rgb(GREY))
    np.testing.assert_allclose(pixels(unit), as_rgb(GREY), atol=1)


def test_cmyk_jpeg_has_the_colours_of_the_photograph() -> None:
    flat = np.zeros((16, 48, 3), np.uint8)
    flat[:, :16], flat[:, 16:32], flat[:, 32:] = (200, 30, 40), (20, 180, 60), (240, 240, 240)
    image = reopened(Image.fromarray(flat).convert("CMYK"), "jpeg", quality=95, subsampling=0)
    assert image.mode == "CMYK"
    np.testing.assert_allclose(pixels(image)[4:12], flat[4:12].astype(int), atol=12)


def test_the_input_is_left_alone() -> None:
    image = Image.fromarray(GREY)
    before = image.tobytes()
    decode(image)
    assert (image.mode, image.tobytes()) == ("L", before)
