"""How alike two sets of pictures are in their finest detail: the sliced Wasserstein distance of their patches.

After Karras et al., "Progressive Growing of GANs" (2018), section 5: patches of 7 × 7 out of the finest level of the
Laplacian pyramid. Unlike there the patches keep their scale, for a picture that is too soft differs in just that.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tools.miniature.canvas import Pixels

_PATCH: Final = 7
_PATCHES: Final = 128
_DIRECTIONS: Final = 256


def patch_distance(pictures: Sequence[Pixels], others: Sequence[Pixels], seed: int = 0) -> float:
    """The distance between two sets of as many pictures, in steps of brightness (0 to 255)."""
    rng = np.random.default_rng(seed)
    one, other = _patches(pictures, rng), _patches(others, rng)
    directions = rng.normal(size=(one.shape[1], _DIRECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    return float(np.abs(np.sort(one @ directions, axis=0) - np.sort(other @ directions, axis=0)).mean())


def _patches(pictures: Sequence[Pixels], rng: np.random.Generator) -> NDArray[np.float64]:
    rows: list[NDArray[np.float64]] = []
    for picture in pictures:
        values = picture.astype(np.float64)
        detail = values - ndimage.gaussian_filter(values, (1.0, 1.0, 0))
        height, width = detail.shape[:2]
        tops, lefts = (rng.integers(0, side - _PATCH + 1, _PATCHES) for side in (height, width))
        rows += [
            detail[top : top + _PATCH, left : left + _PATCH].ravel() for top, left in zip(tops, lefts, strict=True)
        ]
    return np.stack(rows)
