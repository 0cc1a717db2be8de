"""A model's cover picture: its title on a gradient whose colours come from its slug."""

import io
import zlib
from functools import lru_cache
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from models.card import Card

SIZE: Final = (640, 360)
_MARGIN: Final = 40
_TITLE_POINTS: Final = 36
_SLUG_POINTS: Final = 20


def cover_png(card: Card) -> bytes:
    """Return the cover as a PNG of `SIZE` pixels."""
    return _draw(card.title, card.slug)


@lru_cache(maxsize=64)  # anybody may ask for it, and drawing takes milliseconds
def _draw(title: str, slug: str) -> bytes:
    hue = zlib.crc32(slug.encode()) % 256
    ramp = Image.linear_gradient("L").resize(SIZE)
    solid = Image.new("L", SIZE, 150)
    picture = Image.merge(
        "HSV", (Image.new("L", SIZE, hue), solid, ramp.point([70 + level // 3 for level in range(256)]))
    )
    picture = picture.convert("RGB")
    draw = ImageDraw.Draw(picture)
    low = SIZE[1] - _MARGIN
    draw.text((_MARGIN, low - 40), title, "white", ImageFont.load_default(_TITLE_POINTS), anchor="ls")
    draw.text((_MARGIN, low), slug, "white", ImageFont.load_default(_SLUG_POINTS), anchor="ls")
    written = io.BytesIO()
    picture.save(written, "PNG")
    return written.getvalue()
