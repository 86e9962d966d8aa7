"""Lids of a face's landmarks, closed by geometry: what blendshapes add to landmarks is fitted to
films in which eyes seldom shut, and leaves them half open."""

import numpy as np

from fiancee_hub.families.faces.landmarks.outlines import EYES
from fiancee_hub.families.faces.landmarks.pose import Floats

PAIRS = tuple(
    tuple(zip(eye[1 : len(eye) // 2], eye[: -len(eye) // 2 : -1], strict=True)) for eye in EYES
)
"""Lower and upper points of each eye that meet when it shuts."""

SHUT = 0.15
"""What is left of the gap when an eye is shut: landmarks run along the lids' edges."""

UPPER = 0.85
"""Share of the way that the upper lid goes."""


def closed(canonical: Floats, source: Floats, share: float) -> Floats:
    """Landmarks (478, 3) with lids that close the given share of the way from the source's gap to
    shut eyes; eyes that are closed further stay so.

    Args:
        canonical: of the head to show, canonical units.
        source: of the person with eyes as they are in the picture, likewise.
        share: 0 to 1, how far the lids close.
    """
    moved = canonical.copy()
    for pairs in PAIRS:
        lower, upper = (list(column) for column in zip(*pairs, strict=True))
        wanted = (1 - (1 - SHUT) * share) * _gap(source, lower, upper)
        excess = max(0.0, 1 - wanted / max(_gap(canonical, lower, upper), 1e-6))
        way = excess * (canonical[lower] - canonical[upper])
        moved[upper] += UPPER * way
        moved[lower] -= (1 - UPPER) * way
    return moved


def _gap(canonical: Floats, lower: list[int], upper: list[int]) -> float:
    return float(np.linalg.norm(canonical[lower] - canonical[upper], axis=1).mean())
