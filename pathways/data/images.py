"""Still images: bytes to uint8 arrays, and arrays to a signature."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from pathways.data.changes import Change
from pathways.errors import CorruptFileError, DataError, SignatureError, TooLargeError
from pathways.signature import Signature

# A closed list: Pillow knows more, but some of those run other programs (EPS) or are rarely fuzzed.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")

MAX_ASPECT_CHANGE = 1.1

_COLOURS = {1: "grey", 3: "RGB"}


def decode_image(
    body: bytes, *, name: str = "image", max_pixels: int = 50_000_000
) -> NDArray[np.uint8]:
    """The (first) picture in an encoded file as uint8 [height, width, channels], upright.

    Channels are 1 for grey and 3 for everything else: palettes become RGB, transparent parts
    lie on black, 16-bit and float greys are scaled to 0..255. Raises CorruptFileError when
    `body` cannot be decoded, TooLargeError when it has more than `max_pixels` pixels, which is
    seen before decoding, DataError for grey values of an unknown range; all name `name`.
    """
    with _damage_named(name, max_pixels), Image.open(io.BytesIO(body), formats=FORMATS) as opened:
        width, height = opened.size
        if width * height > max_pixels:
            raise TooLargeError(
                f"{name} has {width}x{height} pixels, more than the limit of {max_pixels}; "
                "scale it down first"
            )
        upright = ImageOps.exif_transpose(opened)
        upright.load()
    return _pixels(upright, name)


@contextmanager
def _damage_named(name: str, max_pixels: int) -> Iterator[None]:
    try:
        yield
    except (DataError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooLargeError(
            f"{name} has more pixels than the limit of {max_pixels}; scale it down first ({error})"
        ) from error
    except Exception as error:  # Pillow's readers raise nearly any type on damaged bytes
        raise CorruptFileError(
            f"{name} cannot be decoded ({_first_line(error)}); it is damaged or not one of "
            f"{', '.join(FORMATS)}: replace or remove it"
        ) from error


def _first_line(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not a known image format"  # Pillow's text names a memory address
    return (str(error) or type(error).__name__).splitlines()[0]


def _pixels(image: Image.Image, name: str) -> NDArray[np.uint8]:
    """A loaded image of any mode as uint8 [height, width, 1 or 3]."""
    if image.mode == "F" or image.mode.startswith("I"):
        return _scaled_grey(np.asarray(image, dtype=np.float64), image.mode, name)
    grey = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        image = _over_black(image)
    pixels = np.array(image.convert("L" if grey else "RGB"))
    return pixels[..., np.newaxis] if grey else pixels


def _over_black(image: Image.Image) -> Image.Image:
    if image.mode in ("La", "RGBa"):  # premultiplied alpha converts to its plain form only
        image = image.convert(image.mode.upper())
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "black"), image)


def _scaled_grey(values: NDArray[np.float64], mode: str, name: str) -> NDArray[np.uint8]:
    """Grey of more than 8 bits, [height, width], to uint8 [height, width, 1].

    Integers are 16-bit (0..65535). Floats are 0..1, 0..255 or 0..65535: the smallest of these
    ranges that holds them. Raises DataError for anything else.
    """
    if not np.isfinite(values).all():
        raise DataError(f"{name} holds NaN or infinite pixels; repair or remove it")
    low, high = float(values.min()), float(values.max())
    ranges = (1, 255, 65_535) if mode == "F" else (65_535,)
    fitting = [top for top in ranges if high <= top]
    if low < 0 or not fitting:
        raise DataError(
            f"{name} has grey values from {low:g} to {high:g}, of unknown scale; "
            "save it as 8-bit or 16-bit grey"
        )
    return np.rint(values * (255 / fitting[0])).astype(np.uint8)[..., np.newaxis]


def fit_image(
    image: NDArray[np.uint8], signature: Signature
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """An image uint8 [height, width, 1 or 3] in the signature's shape, with notes on changes.

    Grey and RGB are converted into each other; an image whose aspect ratio is within 10 % of
    the signature's is resized. Raises SignatureError for anything else.
    """
    fitted, changes = change_image(image, signature)
    return fitted, tuple(change.note for change in changes)


def change_image(
    image: NDArray[np.uint8], signature: Signature
) -> tuple[NDArray[np.uint8], tuple[Change, ...]]:
    """As `fit_image`, with structured changes."""
    _check_image(image, signature)
    if image.shape == signature.shape:
        return image, ()
    image, recoloured = _recolour(image, signature.shape[2])
    image, resized = _resize(image, *signature.shape[:2])
    return image, recoloured + resized


def _check_image(image: NDArray[np.uint8], signature: Signature) -> None:
    if signature.modality != "image":
        raise SignatureError(
            f"an image was given where {signature.key} is expected; send {signature.noun} instead"
        )
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in _COLOURS:
        raise SignatureError(
            "an image must be uint8 [height, width, 1 or 3], got "
            f"{image.dtype} {list(image.shape)}; convert it first"
        )
    if 0 in image.shape:
        raise SignatureError(f"an image of {_size(image)} pixels is empty; give one with pixels")


def _recolour(
    image: NDArray[np.uint8], channels: int
) -> tuple[NDArray[np.uint8], tuple[Change, ...]]:
    if image.shape[2] == channels:
        return image, ()
    if channels not in _COLOURS:
        raise SignatureError(
            f"an image of {image.shape[2]} channels cannot become one of {channels}; "
            "use a signature with 1 (grey) or 3 (RGB) channels"
        )
    before, after = _COLOURS[image.shape[2]], _COLOURS[channels]
    recoloured = _as_array(_as_pillow(image).convert("L" if channels == 1 else "RGB"))
    change = Change(note=f"{before} to {after}", verb="converted", result=after)
    return recoloured, (change,)


def _resize(
    image: NDArray[np.uint8], height: int, width: int
) -> tuple[NDArray[np.uint8], tuple[Change, ...]]:
    if image.shape[:2] == (height, width):
        return image, ()
    before, after = _size(image), f"{height}x{width}"
    stretch = (image.shape[1] / image.shape[0]) / (width / height)
    if max(stretch, 1 / stretch) > MAX_ASPECT_CHANGE:
        raise SignatureError(
            f"an image of {before} (height x width) does not fit {after}: its aspect ratio is "
            "more than 10 % off; crop or pad it to that aspect ratio first"
        )
    # Bilinear with Pillow's widened support when shrinking: no aliasing and no overshoot.
    resized = _as_pillow(image).resize((width, height), Image.Resampling.BILINEAR)
    change = Change(note=f"resized {before} to {after}", verb="resized", result=after)
    return _as_array(resized), (change,)


def _size(image: NDArray[np.uint8]) -> str:
    return f"{image.shape[0]}x{image.shape[1]}"


def _as_pillow(image: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)


def _as_array(image: Image.Image) -> NDArray[np.uint8]:
    pixels = np.array(image)
    return pixels[..., np.newaxis] if pixels.ndim == 2 else pixels
