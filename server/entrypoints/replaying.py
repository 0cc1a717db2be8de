"""Drawing a picture once more: what its receipt asks for, and how two pictures and their receipts differ."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from PIL import Image, ImageChops, ImageStat

from server.domain.types import JsonObject, JsonValue
from server.entrypoints.trouble import Trouble
from server.worker.picture_receipt import FORMAT, KEYWORD

_HIGHEST: Final = 255
_UNCOMPARED: Final = ("format", "sample", "values.samples", "values.seed")
"""A replay asks for the one sample alone, by its own seed."""


@dataclass(frozen=True, slots=True)
class Original:
    """A picture and what it says of itself."""

    image: Image.Image
    receipt: JsonObject


@dataclass(frozen=True, slots=True)
class Difference:
    """How far two pictures of one size are apart: largest and mean difference of 255, and the share of pixels."""

    largest: int
    mean: float
    share: float


def read_original(path: Path) -> Original:
    """Read a picture with its receipt. Raises Trouble: one sentence for what can't be replayed."""
    image = read_picture(path)
    receipt = receipt_in(image)
    if receipt is None:
        raise Trouble(
            f"{path} carries no receipt of easel: something else drew it, or its metadata was left out "
            "(EASEL_PNG_METADATA=origin) or taken away."
        )
    if receipt.get("format") != FORMAT:
        raise Trouble(f"The receipt of {path} is of another release; replay it with an easel of that time.")
    inputs = receipt.get("inputs")
    if isinstance(inputs, list) and inputs:
        raise Trouble(f"{path} was drawn from files of a client ({inputs[0]}), which no receipt holds; run it anew.")
    return Original(image, receipt)


def read_picture(path: Path) -> Image.Image:
    """Read a PNG file whole. Raises Trouble."""
    try:
        with Image.open(path, formats=("PNG",)) as image:
            image.load()
            return image
    except FileNotFoundError:
        raise Trouble(f"There is no {path}.") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise Trouble(f"{path} can't be read as a PNG picture: {error}.") from None


def receipt_in(image: Image.Image) -> JsonObject | None:
    """Return the receipt of a picture, None if it has none that can be read."""
    try:
        receipt: object = json.loads(image.info.get(KEYWORD, ""))
    except (TypeError, ValueError, RecursionError):
        return None
    return cast("JsonObject", receipt) if isinstance(receipt, dict) else None


def parameters_in(receipt: JsonObject) -> tuple[str, dict[str, str]]:
    """Return the model and the parameters of a Run that draws this one sample again. Raises Trouble."""
    model, values, seed = receipt.get("model"), receipt.get("values"), receipt.get("seed")
    if not isinstance(model, str) or model.count("/") != 1 or not isinstance(values, Mapping) or type(seed) is not int:
        raise Trouble("The receipt is damaged: it lacks the model, the values or the seed.")
    texts = {name: str(value) for name, value in values.items() if isinstance(value, str | int | float)}
    return model, texts | {"seed": str(seed), "samples": "1"}


def compare(one: Image.Image, other: Image.Image) -> Difference:
    """Compare two pictures of the same size."""
    apart = ImageChops.difference(one.convert("RGB"), other.convert("RGB"))
    bands = apart.split()
    furthest = ImageChops.lighter(ImageChops.lighter(bands[0], bands[1]), bands[2])
    same = furthest.histogram()[0]
    statistics = ImageStat.Stat(apart)
    total = one.width * one.height
    return Difference(
        largest=int(cast("tuple[int, int]", furthest.getextrema())[1]),
        mean=sum(statistics.mean) / len(statistics.mean),
        share=(total - same) / total,
    )


def verdict(original: Image.Image, again: Image.Image) -> tuple[bool, str]:
    """Return whether the pictures are the same, and a line that says so."""
    if original.size != again.size:
        sizes = [f"{image.width} × {image.height}" for image in (original, again)]
        return False, f"different: {sizes[0]} pixels then, {sizes[1]} now"
    apart = compare(original, again)
    if apart.largest == 0:
        return True, f"identical: all {original.width} × {original.height} pixels"
    return False, (
        f"different: {apart.share:.1%} of the pixels, by {apart.largest} of {_HIGHEST} at most, "
        f"{apart.mean:.3f} on average"
    )


def changed_facts(then: JsonObject, now: JsonObject) -> Sequence[str]:
    """Return a line for each fact that differs between two receipts, those of weights included."""
    before, after = dict(_facts("", then)), dict(_facts("", now))
    names = [name for name in dict.fromkeys([*before, *after]) if name not in _UNCOMPARED]
    return [
        f"{name}: {before.get(name, 'absent')} then, {after.get(name, 'absent')} now"
        for name in names
        if before.get(name) != after.get(name)
    ]


def _facts(name: str, value: JsonValue) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        parts = value.items()
    elif isinstance(value, list):
        parts = ((str(place), each) for place, each in enumerate(value))
    else:
        yield name, json.dumps(value, ensure_ascii=False)
        return
    for part, each in parts:
        yield from _facts(f"{name}.{part}" if name else part, each)
