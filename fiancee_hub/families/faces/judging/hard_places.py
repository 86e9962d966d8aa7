"""Figures of the places that no warp can get right: opened and shut mouths, and what comes into
view when a head moves. Each beside the mesh warp's, on the same pairs."""

from collections.abc import Callable
from operator import itemgetter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fiancee_hub.core.nested import each_tensor
from fiancee_hub.core.perceptual import PerceptualDistance
from fiancee_hub.core.pixels import signed
from fiancee_hub.evaluation.evaluate import Figures
from fiancee_hub.families.faces.crops import crop
from fiancee_hub.families.faces.heads import Head
from fiancee_hub.families.faces.judging.quality import Shown, slices
from fiancee_hub.families.faces.judging.scores import Values, mean_ratio
from fiancee_hub.families.faces.visibility import revealed

CROP = 128
"""Pixels along a side of a mouth's box when it is judged: about twice what the picture has."""

LEAST_SHARE = 0.005
"""Of the picture that must come into view; pairs with less say nothing."""

Distance = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From pictures and truths (batch, 3, h, w) in [-1, 1] and a place to LPIPS (batch,)."""


def mouth_distance(lpips: PerceptualDistance, images: Tensor, truth: Tensor, at: Tensor) -> Tensor:
    """LPIPS (batch,) inside the box of the mouth of landmarks ``at`` (batch, 478, 3)."""
    seen, wanted = (crop(pictures, at, "mouth", CROP) for pictures in (images, truth))
    return lpips(seen, wanted)


def masked_distance(lpips: PerceptualDistance, images: Tensor, truth: Tensor, at: Tensor) -> Tensor:
    """LPIPS (batch,) where a mask ``at`` (batch, 1, h, w) is."""
    return lpips.within(lpips.features(images), lpips.features(truth), at)


def mouth_figures(lpips: PerceptualDistance, shown: Shown) -> Figures:
    """LPIPS inside the box of the true mouth, of pairs whose mouths open or close."""
    places = shown.target.points
    return _figures(shown, places, lambda *parts: mouth_distance(lpips, *parts))


def revealed_figures(lpips: PerceptualDistance, shown: Shown) -> Figures:
    """LPIPS of what comes into view, of the self pairs in which anything does."""
    parts = [revealed(*_heads(shown, rows)) for rows in slices(len(shown.pairs))]
    masks = torch.cat(parts)
    share = masks.mean((1, 2, 3))
    seen = share >= LEAST_SHARE
    chosen = shown.some(seen.nonzero()[:, 0].tolist())
    figures = _figures(chosen, masks[seen], lambda *parts: masked_distance(lpips, *parts))
    return figures | {"mean_share": float(share[seen].mean()) if seen.any() else None}


def _heads(shown: Shown, rows: slice) -> tuple[Head, Head]:
    source, target = (each_tensor(head, itemgetter(rows)) for head in (shown.source, shown.target))
    return source, target


def _figures(shown: Shown, places: Tensor, distance: Distance) -> Figures:
    """Means of the mesh warp, every branch and full depth, and ratios to the mesh warp's."""
    persons = [pair.source.person for pair in shown.pairs]
    figures: dict[str, Any] = {"n": len(persons), "persons": len(set(persons))}
    if not persons:
        return figures
    warped, *exits = _values([shown.warped, *shown.trial.images], shown, places, distance)
    rows = [
        {"lpips": float(values.mean()), "ratio_to_mesh_warp": mean_ratio(values, warped, persons)}
        for values in exits
    ]
    return figures | {
        "mesh_warp": {"lpips": float(warped.mean())},
        "full_depth": rows[-1],
        "exits": [{"exit": index, **row} for index, row in enumerate(rows[:-1], 1)],
    }


@torch.no_grad()
def _values(sets: list[Tensor], shown: Shown, places: Tensor, distance: Distance) -> list[Values]:
    columns: list[list[Tensor]] = [[] for _ in sets]
    for rows in slices(len(shown.pairs)):
        truth = signed(shown.drivers[rows])
        for column, images in zip(columns, sets, strict=True):
            column.append(distance(signed(images[rows]), truth, places[rows]))
    return [np.asarray(torch.cat(column).double().numpy()) for column in columns]
