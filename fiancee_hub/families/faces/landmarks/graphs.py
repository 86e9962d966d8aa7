"""The stored face networks, run by torch: lists of operations and their weights.

Each network is NAME.json (operations in order, by TensorFlow's rules) and NAME.safetensors
(weights, float16). Nothing of a call is kept, so one graph serves many threads; all of it is
differentiable in the picture.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load
from torch import Tensor, nn

from fiancee_hub.core.assets import read_asset

DETECTOR = "face_detection_short_range"
MESH = "face_landmark"
ATTENTION_MESH = "face_landmark_with_attention"

Operation = Mapping[str, Any]
"""``op``, ``inputs`` (names), ``output`` (a name), and what the operation needs."""


class Graph(nn.Module):
    """One stored network."""

    def __init__(self, name: str) -> None:
        super().__init__()
        graph = json.loads(read_asset(f"faces/{name}.json"))
        self.operations: list[Operation] = graph["operations"]
        self.input_name: str = graph["input"]
        self.output_names: list[str] = graph["outputs"]
        for key, value in load(read_asset(f"faces/{name}.safetensors")).items():
            self.register_buffer(key, value.float(), persistent=False)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """The outputs, each (batch, values), of pictures (batch, 3, height, width)."""
        values = dict(self.named_buffers()) | {self.input_name: pictures}
        for operation in self.operations:
            arguments = [values[name] for name in operation["inputs"]]
            values[operation["output"]] = OPERATIONS[operation["op"]](operation, *arguments)
        return [_channels_last(values[name]).flatten(1) for name in self.output_names]


def _channels_last(x: Tensor) -> Tensor:
    """The order (batch, height, width, channels) in which the networks' values are read."""
    return x.permute(0, 2, 3, 1) if x.dim() == 4 else x


def _pad_same(x: Tensor, size: list[int], stride: list[int], value: float = 0.0) -> Tensor:
    """TensorFlow's "same" padding for a window (height, width)."""
    pads: list[int] = []
    for side, window, step in zip(x.shape[:1:-1], size[::-1], stride[::-1], strict=True):
        total = max((-(-side // step) - 1) * step + window - side, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads, value=value) if any(pads) else x


def _convolve(operation: Operation, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    if operation["same"]:
        x = _pad_same(x, list(weight.shape[2:]), operation["stride"])
    x = F.conv2d(x, weight, bias, operation["stride"], groups=operation["groups"])
    return F.relu(x) if operation["relu"] else x


def _max_pool(operation: Operation, x: Tensor) -> Tensor:
    if operation["same"]:
        x = _pad_same(x, operation["size"], operation["stride"], -torch.inf)
    return F.max_pool2d(x, operation["size"], operation["stride"])


def _add(operation: Operation, x: Tensor, y: Tensor) -> Tensor:
    return F.relu(x + y) if operation["relu"] else x + y


def _reshape(operation: Operation, x: Tensor) -> Tensor:
    return _channels_last(x).reshape(len(x), *operation["shape"][1:])


def _region_matrix(operation: Operation, points: Tensor) -> Tensor:
    """Matrices (batch, 4, 4) from a region's grid to the plane of the points (batch, 468, 3).

    A region is the box of some of the points, turned as two of them lie, and enlarged.
    """
    plane = points[..., :2]
    way = plane[:, operation["right_rotation_idx"]] - plane[:, operation["left_rotation_idx"]]
    cos, sin = F.normalize(way, dim=1).unbind(1)
    turn = torch.stack([cos, sin, -sin, cos], dim=1).reshape(-1, 2, 2)
    level = plane[:, operation["subset_idxs"]] @ turn.mT
    low, high = level.amin(dim=1), level.amax(dim=1)
    window = plane.new_tensor([operation["output_width"], operation["output_height"]])
    enlarged = plane.new_tensor([operation["scale_x"], operation["scale_y"]])
    linear = turn.mT * ((high - low) * enlarged / window)[:, None]
    centre = ((low + high) / 2)[:, None] @ turn
    matrix = torch.eye(4, dtype=plane.dtype, device=plane.device).repeat(len(plane), 1, 1)
    matrix[:, :2, :2] = linear
    matrix[:, :2, 3] = centre[:, 0] - linear @ (window / 2)
    return matrix


def _sample_region(operation: Operation, features: Tensor, matrix: Tensor) -> Tensor:
    """A region (batch, channels, size, size) of features (batch, channels, height, width)."""
    axis = torch.arange(operation["size"], dtype=features.dtype, device=features.device) + 0.5
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    grid = torch.stack([x, y], dim=-1).reshape(1, -1, 2)
    moved = _move_points(operation, grid, matrix).unflatten(1, x.shape)
    size = features.new_tensor([features.shape[3], features.shape[2]])
    return F.grid_sample(features, moved / size * 2 - 1, padding_mode="border", align_corners=False)


def _move_points(operation: Operation, points: Tensor, matrix: Tensor) -> Tensor:
    """Points (batch, N, 2) through the plane part of matrices (batch, 4, 4)."""
    return points @ matrix[:, :2, :2].mT + matrix[:, None, :2, 3]


OPERATIONS: Mapping[str, Callable[..., Tensor]] = {
    "add": _add,
    "concat": lambda operation, *parts: torch.cat(parts, dim=operation["axis"]),
    "conv": _convolve,
    "copy": lambda operation, x: x,
    "max_pool": _max_pool,
    "move_points": _move_points,
    "mul": lambda operation, x, y: x * y,
    "pad": lambda operation, x: F.pad(x, operation["pads"]),
    "prelu": lambda operation, x, slope: F.prelu(x, slope),
    "region_matrix": _region_matrix,
    "relu": lambda operation, x: F.relu(x),
    "reshape": _reshape,
    "sample_region": _sample_region,
}
