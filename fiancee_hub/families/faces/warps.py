"""Warps of pictures and of feature volumes, as sampling grids in [-1, 1] (y down)."""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from fiancee_hub.core.remembered import being_traced

DEPTH = 8.0
"""Canonical units (about centimetres) that a feature volume reaches before and behind a head."""

SMOOTHNESS = 1e-3
"""Ridge on the kernel: points that disagree are met on average instead of folding the plane."""


LEAST = 1e-9
"""Added to squared distances, so that they have logarithms."""


def pixel_centres(cells: int, like: Tensor) -> Tensor:
    """Middles of so many cells side by side, (cells,) in [-1, 1]; not to be written to."""
    return _constant(_centres, cells, like.device)


def identity_grid(height: int, width: int, like: Tensor) -> Tensor:
    """Centres of the pixels, (height, width, 2) as x, y in [-1, 1]; not to be written to."""
    return _constant(_plane, height, width, like.device)


def _constant(make: Callable[..., Tensor], *arguments: Any) -> Tensor:
    """What ``make`` returns, made once: a tenth of the operations of a cheap exit made grids."""
    return make(*arguments) if being_traced() else _kept(make, *arguments)


@lru_cache(maxsize=32)
def _kept(make: Callable[..., Tensor], *arguments: Any) -> Tensor:
    # In a caller's inference mode it would become a tensor that stops later gradients.
    with torch.inference_mode(False), torch.no_grad():
        return make(*arguments)


def _centres(cells: int, device: torch.device) -> Tensor:
    return (torch.arange(cells, device=device, dtype=torch.float32) + 0.5) * 2 / cells - 1


def _plane(height: int, width: int, device: torch.device) -> Tensor:
    rows, columns = torch.meshgrid(_centres(height, device), _centres(width, device), indexing="ij")
    return torch.stack([columns, rows], -1)


def _volume(depth: int, height: int, width: int, device: torch.device) -> Tensor:
    """Centres of a volume's cells, (1, depth · height · width, 3) as x, y, z in [-1, 1]."""
    plane = _plane(height, width, device).expand(depth, -1, -1, -1)
    z = _centres(depth, device).view(-1, 1, 1, 1).expand(-1, height, width, 1)
    return torch.cat([plane, z], -1).reshape(1, -1, 3)


def similarity(template: Tensor, seen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Least-squares turn and scale (batch, 2, 2) of the template (n, 2) to points (batch, n, 2),
    for row vectors from the template's middle (2,) to the points' (batch, 1, 2)."""
    middle, aim = template.mean(0), seen.mean(1, keepdim=True)
    a, b = template - middle, seen - aim
    power = a.square().sum()
    cos = (a * b).sum((1, 2)) / power
    sin = (a[:, 0] * b[..., 1] - a[:, 1] * b[..., 0]).sum(1) / power
    rows = torch.stack([cos, sin], 1), torch.stack([-sin, cos], 1)
    return torch.stack(rows, 1), middle, aim


def thin_plate_flow(source: Tensor, target: Tensor, columns: Tensor, rows: Tensor) -> Tensor:
    """For points of the target plane, the way to where each comes from in the source.

    Thin-plate spline (Bookstein 1989) through control points.

    Args:
        source: control points (batch, n, 2) in [-1, 1].
        target: where they go, (batch, n, 2).
        columns: x of the points wanted, (w,).
        rows: y of the points wanted, (h,).

    Returns:
        flow (batch, 2, h, w): source position minus target position.
    """
    batch, count, _ = target.shape
    ones = target.new_ones(batch, count, 1)
    plane = torch.cat([ones, target], 2)
    kernel = _kernel(target, target)
    kernel = kernel + SMOOTHNESS * torch.eye(count, dtype=target.dtype, device=target.device)
    # No runtime of exported graphs solves equations.
    solve = eliminated_spline if torch.compiler.is_exporting() else solved_spline
    bends, plane = solve(kernel, plane, source - target).mT.split([count, 3], 2)
    # All points of a column lie equally far across, those of a row equally far down.
    across = (columns[:, None] - target[:, None, :, 0]).square()
    down = (rows[:, None] - target[:, None, :, 1]).square() + LEAST
    basis = _bent(down[:, :, None] + across[:, None]).flatten(1, 2)
    flow = (bends @ basis.mT).unflatten(2, (len(rows), len(columns)))
    constant, by_x, by_y = plane[..., None, None].unbind(2)
    return flow + (constant + by_x * columns + by_y * rows[:, None])


def solved_spline(kernel: Tensor, plane: Tensor, wanted: Tensor) -> Tensor:
    """Weights of a spline, (batch, n + 3, 2).

    Args:
        kernel: (batch, n, n), with its ridge.
        plane: 1, x and y of the control points, (batch, n, 3).
        wanted: values there, (batch, n, 2).
    """
    corner = plane.new_zeros(len(plane), 3, 3)
    system = torch.cat(
        [torch.cat([kernel, plane], 2), torch.cat([plane.transpose(1, 2), corner], 2)], 1
    )
    return torch.linalg.solve(system, torch.cat([wanted, wanted.new_zeros(len(wanted), 3, 2)], 1))


def eliminated_spline(kernel: Tensor, plane: Tensor, wanted: Tensor) -> Tensor:
    """``solved_spline`` with nothing but products, as a fixed number of steps.

    On what no plane can reach the kernel is positive definite (Duchon 1977), so elimination
    needs no pivots there.
    """
    count = plane.shape[1]
    basis = torch.eye(count, dtype=plane.dtype, device=plane.device).expand(plane.shape[0], -1, -1)
    for column in range(3):  # Householder's reflections turn the plane to the first axes
        tail = plane[:, column:, column : column + 1]
        sign = torch.where(tail[:, :1] < 0, -1.0, 1.0)
        head = tail[:, :1] + sign * tail.square().sum(1, keepdim=True).sqrt()
        mirror = torch.cat([torch.zeros_like(plane[:, :column, :1]), head, tail[:, 1:]], 1)
        mirror = mirror / mirror.square().sum(1, keepdim=True).sqrt()
        plane = plane - 2 * mirror @ (mirror.mT @ plane)
        basis = basis - 2 * (basis @ mirror) @ mirror.mT
    turned, values = basis.mT @ kernel @ basis, basis.mT @ wanted
    bends = _eliminated(turned[:, 3:, 3:], values[:, 3:])
    rest = values[:, :3] - turned[:, :3, 3:] @ bends
    c = rest[:, 2:] / plane[:, 2:3, 2:3]
    b = (rest[:, 1:2] - plane[:, 1:2, 2:3] * c) / plane[:, 1:2, 1:2]
    a = (rest[:, :1] - plane[:, :1, 1:2] * b - plane[:, :1, 2:3] * c) / plane[:, :1, :1]
    return torch.cat([basis[:, :, 3:] @ bends, a, b, c], 1)


def _eliminated(system: Tensor, wanted: Tensor) -> Tensor:
    """Solution (batch, n, 2) of a positive definite system (batch, n, n)."""
    count = system.shape[1]

    def eliminate(rows: Tensor, unit: Tensor) -> tuple[Tensor, Tensor]:
        row = (rows * unit[:, None]).sum(1, keepdim=True)
        column = (rows[:, :, :count] * unit).sum(2, keepdim=True)
        pivot = (row[:, :, :count] * unit).sum(2, keepdim=True)
        return rows - (column - unit[:, None]) * (row / pivot), pivot

    units = torch.eye(count, dtype=system.dtype, device=system.device)
    rows = torch.cat([system, wanted], 2)
    if torch.compiler.is_compiling():  # One step in the graph, not one for each column.
        from torch._higher_order_ops.scan import scan

        rows, _ = scan(eliminate, rows, units)
    else:
        for unit in units:
            rows, _ = eliminate(rows, unit)
    return rows[:, :, count:]


def _kernel(points: Tensor, centres: Tensor) -> Tensor:
    """r² log r² of all pairs, (batch, points, centres)."""
    # Axis by axis: sums over a dimension of two are slow.
    across, down = (
        points[..., axis].unsqueeze(2) - centres[..., axis].unsqueeze(1) for axis in range(2)
    )
    return _bent(across.square() + (down.square() + LEAST))


def _bent(square: Tensor) -> Tensor:
    """r² log r² of r², at least ``LEAST``."""
    # An exporter takes so small a sum for nothing, and the logarithm of 0 is no number.
    kept = square.clamp(min=LEAST) if torch.compiler.is_exporting() else square
    # In place: memory for so many numbers takes as long as their logarithms.
    return kept.log().mul_(square)


def rigid_volume_grid(source: Tensor, target: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Where every cell of a volume around the target's head lies in the source's volume.

    The way goes from the target's pose to the canonical head and on to the source's pose.

    Args:
        source: pose (batch, 3, 4): canonical points to normalised picture axes.
        target: likewise.
        shape: depth, height and width of the volume.

    Returns:
        (batch, depth, height, width, 3) as x, y, z in [-1, 1] of the source's volume.
    """
    depth, height, width = shape
    cells = _constant(_volume, depth, height, width, target.device)
    turn_s, turn_t = source[:, :, :3], target[:, :, :3]
    scale_s, scale_t = _scale(turn_s), _scale(turn_t)
    # Depth runs around the head's own middle, in units that grow with its size.
    reach = torch.stack([torch.ones_like(scale_t), torch.ones_like(scale_t), DEPTH * scale_t], 1)
    middle = target[:, :, 3]
    camera = cells * reach[:, None] + middle[:, None] * middle.new_tensor([0.0, 0.0, 1.0])
    canonical = (camera - middle[:, None]) @ turn_t / scale_t.square()[:, None, None]
    moved = canonical @ turn_s.transpose(1, 2)
    x_y = moved[..., :2] + source[:, None, :2, 3]
    z_out = moved[..., 2:] / (DEPTH * scale_s)[:, None, None]
    return torch.cat([x_y, z_out], -1).reshape(-1, depth, height, width, 3)


def _scale(turn: Tensor) -> Tensor:
    """Length of the axes of (batch, 3, 3) scaled rotations."""
    return turn.norm(dim=1).mean(1)


def area_ratio(flow: Tensor) -> Tensor:
    """Area of the source that a flow takes for one of the target: its Jacobian's determinant.

    Args:
        flow: (batch, 2, h, w), source position minus target position in [-1, 1].

    Returns:
        (batch, 1, h, w); below 0 where the flow folds.
    """
    height, width = flow.shape[2:]
    wide = F.pad(flow.float(), (1, 1, 1, 1), mode="replicate")
    # Central differences inside, one-sided at the border.
    reach_x, reach_y = _reach(width, flow), _reach(height, flow)
    across = (wide[:, :, 1:-1, 2:] - wide[:, :, 1:-1, :-2]) / reach_x
    down = (wide[:, :, 2:, 1:-1] - wide[:, :, :-2, 1:-1]) / reach_y[:, None]
    det = (1 + across[:, 0]) * (1 + down[:, 1]) - across[:, 1] * down[:, 0]
    return det[:, None]


def _reach(cells: int, like: Tensor) -> Tensor:
    """Way between the neighbours of every cell in a row of them, (cells,)."""
    reach = torch.full((cells,), 4 / cells, device=like.device, dtype=torch.float32)
    reach[0] = reach[-1] = 2 / cells
    return reach


def sample(features: Tensor, flow: Tensor) -> Tensor:
    """Features (batch, c, h, w) moved along a flow (batch, 2, h', w') of another size."""
    height, width = features.shape[2:]
    if flow.shape[2:] != features.shape[2:]:
        # Two channels that alternate in memory take five times as long.
        flow = F.interpolate(
            flow.contiguous(), size=(height, width), mode="bilinear", align_corners=False
        )
    grid = identity_grid(height, width, features) + flow.permute(0, 2, 3, 1).float()
    return F.grid_sample(
        features.float(), grid, mode="bilinear", padding_mode="border", align_corners=False
    ).to(features.dtype)


def sample_volume(volume: Tensor, grid: Tensor) -> Tensor:
    """A volume (batch, c, d, h, w) at the places (batch, d', h', w', 3) in [-1, 1] of a grid.

    While a model is exported, by ``sample_slices``: the same numbers from operators that other
    runtimes have, but several times as slow in torch. On a processor, where no gradients are
    wanted, by ``sample_cells``.
    """
    if torch.compiler.is_exporting():
        return sample_slices(volume, grid)
    learning = volume.requires_grad or grid.requires_grad
    if volume.device.type == "cpu" and not learning and not torch.compiler.is_compiling():
        return sample_cells(volume, grid)
    return F.grid_sample(volume, grid, padding_mode="border", align_corners=False)


def sample_cells(volume: Tensor, grid: Tensor) -> Tensor:
    """``sample_volume`` as weighted sums of the eight cells around every place: all channels of
    a cell lie together then, and torch sums rows of a table in a third of the time."""
    batch, channels, *sides = volume.shape
    table = volume.permute(0, 2, 3, 4, 1).reshape(-1, channels)
    cells, shares = _around(grid.reshape(batch, -1, 3), sides)
    cells = cells + torch.arange(batch, dtype=torch.int32, device=cells.device).view(
        -1, 1, 1
    ) * math.prod(sides)
    sums = F.embedding_bag(
        cells.flatten(0, 1), table, mode="sum", per_sample_weights=shares.flatten(0, 1)
    )
    return sums.view(batch, -1, channels).mT.reshape(batch, channels, *grid.shape[1:4])


def _around(places: Tensor, sides: list[int]) -> tuple[Tensor, Tensor]:
    """Numbers of the eight cells around each place (batch, n, 3), and their shares in it, both
    (batch, n, 8); beyond the volume its border goes on."""
    shares = places.new_ones(*places.shape[:2], 1)
    cells = torch.zeros_like(shares, dtype=torch.int32)
    step = 1
    # x, y and z, in strides of the table's rows: each doubles what there is.
    for place, side in zip(places.unbind(2), reversed(sides), strict=True):
        at = (((place + 1) * side - 1) / 2).clamp(0, side - 1).unsqueeze(2)
        first = at.floor().clamp(max=max(side - 2, 0))
        share = at - first
        before = cells + step * first.int()
        cells = torch.cat([before, before + step * (side > 1)], 2)
        shares = torch.cat([shares * (1 - share), shares * share], 2)
        step *= side
    return cells, shares


def sample_slices(volume: Tensor, grid: Tensor) -> Tensor:
    """``sample_volume`` as a sum over the slices in depth, with nothing but 2-D sampling."""
    batch, _, depth, _, _ = volume.shape
    rows = grid.shape[1] * grid.shape[2], grid.shape[3]
    # Clamped as the border is repeated in depth; the planes do that by themselves.
    z = (((grid[..., 2] + 1) * depth - 1) / 2).clamp(0, depth - 1).reshape(batch, 1, *rows)
    plane = grid[..., :2].reshape(batch, *rows, 2)
    parts = [
        (1 - (z - index).abs()).clamp(min=0)
        * F.grid_sample(volume[:, :, index], plane, padding_mode="border", align_corners=False)
        for index in range(depth)
    ]
    return torch.stack(parts).sum(0).reshape(batch, -1, *grid.shape[1:4])
