"""What no warp of the source can show: hidden by the head itself, stretched, or inside a mouth."""

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from fiancee_hub.families.faces.heads import MOUTH, Head, as_shares, at_side, landmark_flow
from fiancee_hub.families.faces.landmarks.pose import MESH_POINTS, canonical_face
from fiancee_hub.families.faces.warps import area_ratio, identity_grid

SIDE = 64
"""Cells along a side of the masks."""

LEAST_AREA = 0.5
"""Of the source for one of the target: a flow that takes less stretches what is there."""

TOLERANCE = 0.08
"""Depth in [-1, 1] units by which a point must lie behind what a cell of the source shows."""

LEAST_TRIANGLE = 1e-9
"""Doubled area below which a triangle is a line."""

INNER_LIPS = 13, 14
MOUTH_CORNERS = 78, 308


class Surface(NamedTuple):
    """The nearest triangle of the face's mesh in every cell of a picture.

    ``triangle`` (batch, h, w), -1 where there is none; ``weights`` (batch, h, w, 3) of its
    corners; ``depth`` (batch, h, w), infinite where there is none.
    """

    triangle: Tensor
    weights: Tensor
    depth: Tensor


@cache
def _triangles() -> Tensor:
    """(898, 3), indices of landmarks."""
    return torch.from_numpy(canonical_face().triangles.copy()).long()


@cache
def _front() -> float:
    """Sign of the area, in picture axes, of triangles that face the viewer."""
    vertices = torch.from_numpy(canonical_face().vertices.copy()) * torch.tensor([1.0, -1.0, -1.0])
    return float(_areas(vertices[_triangles()]).sum().sign())


def _areas(corners: Tensor) -> Tensor:
    """Signed areas (…) of triangles (…, 3, 2 or more), doubled."""
    a, b, c = corners[..., :2].unbind(-2)
    return _cross(b - a, c - a)


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


@torch.no_grad()
def rasterise(points: Tensor, side: int = SIDE) -> Surface:
    """Draws the face's mesh.

    Args:
        points: landmarks (batch, 468 or more, 3) in [-1, 1], z away.
        side: cells along a side of the square picture.
    """
    corners = points[:, :MESH_POINTS].float()[:, _triangles().to(points.device)]
    cells = identity_grid(side, side, points).view(-1, 1, 2)
    # One picture after another: every cell is held against every triangle.
    drawn = [_drawn(face, cells) for face in corners]
    index, weights, depth = (torch.stack(column) for column in zip(*drawn, strict=True))
    shape = len(points), side, side
    return Surface(index.view(shape), weights.view(*shape, 3), depth.view(shape))


def _drawn(corners: Tensor, cells: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of one face: triangles (n, 3, 3) in cells (m, 1, 2)."""
    area, places = _areas(corners), F.pad(cells[:, 0], (0, 1), value=1.0)
    shares, depth = _planes(corners, area)
    # Products with the planes' three numbers: ten times as fast as areas for every pair.
    inside = places @ shares[0].mT
    for share in shares[1:]:
        inside = torch.minimum(inside, places @ share.mT)
    far = (places @ depth.mT).masked_fill_((inside < 0) | (area.abs() < LEAST_TRIANGLE), torch.inf)
    nearest, index = far.min(1)
    chosen = torch.einsum("mc,kmc->mk", places, shares[:, index])
    return index.masked_fill(nearest.isinf(), -1), chosen, nearest


def _planes(corners: Tensor, area: Tensor) -> tuple[Tensor, Tensor]:
    """The shares of a triangle's corners (3, n, 3), and its depth (n, 3), over the picture: what
    x, y and 1 are multiplied with."""
    double = corners.double()
    one, two = double.roll(-1, 1), double.roll(-2, 1)
    factors = torch.stack(
        [
            one[..., 1] - two[..., 1],
            two[..., 0] - one[..., 0],
            _cross(one, two),
        ],
        -1,
    )
    # In double: triangles are small, and their planes steep.
    shares = factors / area.double().where(area.abs() >= LEAST_TRIANGLE, 1)[:, None, None]
    depth = (shares * double[..., 2:]).sum(1)
    return shares.permute(1, 0, 2).to(corners.dtype), depth.to(corners.dtype)


@torch.no_grad()
def hidden(source: Head, target: Head, side: int = SIDE) -> Tensor:
    """Cells in which the target's face shows what the source's own face hides.

    Returns:
        (batch, 1, side, side), 0 or 1.
    """
    surface, before = rasterise(target.points, side), rasterise(source.points, side).depth
    shown = surface.triangle >= 0
    corners = source.points[:, :MESH_POINTS].float()[:, _triangles().to(source.points.device)]
    batch = torch.arange(len(corners), device=corners.device).view(-1, 1, 1)
    seen = corners[batch, surface.triangle.clamp(min=0)]
    place = (surface.weights[..., None] * seen).sum(-2)
    # Where the mesh ends in the source nothing is in front.
    finite = before.masked_fill(before.isinf(), 1e3)[:, None]
    front = F.grid_sample(finite, place[..., :2], mode="nearest", align_corners=False)[:, 0]
    turned_away = _areas(seen) * _front() < 0
    behind = turned_away | (place[..., 2] > front + TOLERANCE)
    return (shown & behind)[:, None].float()


def stretched(flow: Tensor) -> Tensor:
    """Cells that a flow fills from less than half their area, or from a fold: 0 or 1."""
    return (area_ratio(flow) < LEAST_AREA).float()


@torch.no_grad()
def revealed(source: Head, target: Head, side: int = SIDE) -> Tensor:
    """What comes into view, (batch, 1, side, side), 0 or 1: the source's face hides it, or the
    landmarks' flow stretches or folds."""
    flow = landmark_flow(source, target, side)
    return torch.maximum(stretched(flow), hidden(source, target, side))


@torch.no_grad()
def opened(source: Head, target: Head, side: int = SIDE) -> Tensor:
    """Cells between the target's lips, as far as they are open beyond the source's.

    Returns:
        (batch, 1, side, side): the share of the cell that lies between the lips, times the share
        of the opening that the source does not show.
    """
    wider = (openness(target.points) - openness(source.points)).clamp(min=0)
    share = wider / openness(target.points).clamp(min=1e-6)
    between = at_side(as_shares(target.map)[:, MOUTH : MOUTH + 1], side)
    return between * share.view(-1, 1, 1, 1)


def openness(points: Tensor) -> Tensor:
    """Gap between the inner lips in widths of the mouth, (batch,), of landmarks (batch, n, 3)."""
    (top, bottom), (left, right) = (
        (points[:, a], points[:, b]) for a, b in (INNER_LIPS, MOUTH_CORNERS)
    )
    width: Tensor = (left - right).norm(dim=1).clamp(min=1e-6)
    return (top - bottom).norm(dim=1) / width


def unshown(source: Head, target: Head, side: int = SIDE) -> Tensor:
    """All of it: what comes into view, and a mouth's inside; (batch, 1, side, side), 0 to 1."""
    return torch.maximum(revealed(source, target, side), opened(source, target, side))
