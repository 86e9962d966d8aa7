"""A second reader of checkpoints, by docs/checkpoint.md alone: standard library and NumPy.

It shares no code with the library, so that the page is known to be enough.
"""

import hashlib
import json
import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Shape = tuple[int, ...]
Named = Iterator[tuple[str, Shape]]

TYPES = {"F16": "<f2", "F32": "<f4", "I64": "<i8"}


def read_config(folder: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["format"] == 2
    return config


def read_tensors(path: Path) -> tuple[dict[str, Array], str | None]:
    """Tensors as stored, and the digest in the metadata."""
    content = path.read_bytes()
    begin = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:begin])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        values = np.frombuffer(content[begin + first : begin + last], TYPES[entry["dtype"]])
        tensors[name] = values.reshape(entry["shape"])
    return tensors, metadata.get("sha256")


def digest(tensors: dict[str, Array]) -> str:
    """By the page's rule: a line and the bytes of every tensor."""
    kinds = {np.dtype(code): kind for kind, code in TYPES.items()}
    state = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        shape = ",".join(map(str, tensor.shape))
        state.update(f"{name} {kinds[tensor.dtype]} [{shape}]\n".encode() + tensor.tobytes())
    return state.hexdigest()


def shapes(config: dict[str, Any]) -> dict[str, Shape]:
    """Name and shape of every tensor that a config implies."""
    family = {"label_maps": oasis, "faces": portraits}[config["family"]]
    return dict(family(config)) | dict(shared_parts(config))


def conv(name: str, outputs: int, inputs: int, size: int, *, bias: bool = True) -> Named:
    yield f"{name}.weight", (outputs, inputs, size, size)
    if bias:
        yield f"{name}.bias", (outputs,)


def linear(name: str, outputs: int, inputs: int) -> Named:
    yield f"{name}.weight", (outputs, inputs)
    yield f"{name}.bias", (outputs,)


def thin(width: int, factor: float) -> int:
    return max(8, 8 * round(width / factor / 8))


def guide_channels(config: dict[str, Any]) -> int:
    guides = config["guides"]
    return int(guides["value_shape"][0]) if guides["entries"] else 0


def by_region(config: dict[str, Any]) -> bool:
    return bool(config["guides"].get("form", "whole") == "regions")


def shared_parts(config: dict[str, Any]) -> Named:
    """Guide bank and predictor."""
    shape, guides, branches = config["generator"], config["guides"], len(config["exits"])
    if config["family"] == "label_maps":
        first, maps, vector = shape["channels"][1], labels(shape), shape["noise_channels"]
    else:
        first, vector = shape["channels"][0], shape["descriptor"]
        maps = 23 if shape.get("mask_channels") else 22
    if guides["entries"] and not by_region(config):
        yield "guides.keys", (guides["entries"], 12 * first)
        yield "guides.centre", (12 * first,)
    if guides["entries"]:
        yield "guides.values", (guides["entries"], *guides["value_shape"])
    if branches:
        for index, (a, b) in enumerate(((maps, 32), (32, 48), (48, 64), (64, 96))):
            yield from conv(f"predictor.layers.{2 * index}", b, a, 3)
        yield from linear("predictor.hidden", 128, 192 + vector)
        yield from linear("predictor.output", 2 * branches, 128)


def labels(shape: dict[str, Any]) -> int:
    return int(shape["classes"]) + 2 * (shape["modulation"] == "shared")


def oasis(config: dict[str, Any]) -> Named:
    shape, c = config["generator"], config["generator"]["channels"]
    stages, kind = len(c) - 1, shape["modulation"]
    known, noise = labels(shape), shape["noise_channels"]
    h = shape["hidden"] or [128] * stages
    yield from conv("trunk.head", c[0], known + noise, 3)
    if kind == "shared":
        coarse = 2 ** (stages - 1)
        yield "trunk.place", (1, c[0], shape["height"] // coarse, shape["width"] // coarse)
    block = shared_block if kind == "shared" else spade_block
    for stage in range(stages):
        yield from block(f"trunk.blocks.{stage}", c[stage], c[stage + 1], known, noise, h[stage])
    yield from conv("trunk.to_rgb", 3, c[-1], 3)
    for index, leaving in enumerate(config["exits"]):
        first, factor = leaving["stage"], leaving["scale_factor"]
        name, widths = f"branches.{index}", [thin(w, factor) for w in c[first:-1]]
        joined, painted = guide_channels(config), 0
        if by_region(config):
            joined, painted = painted, joined
        yield from conv(f"{name}.join", widths[0], c[first] + joined, 1)
        for place, (a, b) in enumerate(pairwise(widths)):
            hidden = thin(h[first + place], math.sqrt(factor))
            yield from shared_block(f"{name}.blocks.{place}", a, b, known, noise, hidden)
        yield from conv(f"{name}.to_rgb", 12, widths[-1] + 4 * known + painted, 3)


def shared_block(name: str, a: int, b: int, known: int, noise: int, h: int) -> Named:
    middle = min(a, b)
    yield from conv(f"{name}.embed", h, known, 3)
    yield from conv(f"{name}.embed_noise", h, noise, 1, bias=False)
    for norm, width in (("norm_0", a), ("norm_1", middle)):
        yield from conv(f"{name}.{norm}.scale_shift", 2 * width, h, 1)
        yield from statistics(f"{name}.{norm}.norm", width)
    yield from convolutions(name, a, b)


def spade_block(name: str, a: int, b: int, known: int, noise: int, _: int) -> Named:
    norms = [("norm_0", a), ("norm_1", min(a, b)), *([("norm_s", a)] if a != b else [])]
    for norm, width in norms:
        yield from conv(f"{name}.{norm}.mlp_shared", 128, known + noise, 3)
        yield from conv(f"{name}.{norm}.mlp_gamma", width, 128, 3)
        yield from conv(f"{name}.{norm}.mlp_beta", width, 128, 3)
        yield from statistics(f"{name}.{norm}.first_norm", width)
    yield from convolutions(name, a, b)


def convolutions(name: str, a: int, b: int) -> Named:
    yield from conv(f"{name}.conv_0", min(a, b), a, 3)
    yield from conv(f"{name}.conv_1", b, min(a, b), 3)
    if a != b:
        yield from conv(f"{name}.conv_s", b, a, 1, bias=False)


def statistics(name: str, width: int) -> Named:
    yield f"{name}.running_mean", (width,)
    yield f"{name}.running_var", (width,)
    yield f"{name}.num_batches_tracked", ()


def portraits(config: dict[str, Any]) -> Named:
    shape = config["generator"]
    c, e, length, blocks = (shape[n] for n in ("channels", "encoder", "descriptor", "blocks"))
    motion = shape["motion_channels"]
    warped = [e[-1], *e[::-1], *[3] * len(c)]
    yield "trunk.expression_basis", (52, 478, 3)
    yield from conv("trunk.encoder.stem", e[0], 13, 3)
    for level, (a, b) in enumerate(pairwise(e)):
        yield from conv(f"trunk.encoder.shrink.{level}", b, a, 3)
    for level, width in enumerate(e):
        yield from residuals(f"trunk.encoder.blocks.{level}", width, blocks)
    yield from linear("trunk.encoder.describe", length, e[-1])
    for place, inputs in enumerate((112, motion, motion)):
        yield from conv(f"trunk.motion.convs.{place}", motion, inputs, 3)
    yield from conv("trunk.motion.output", 16, motion, 3)
    if masks := shape.get("mask_channels", 0):
        yield from conv("trunk.masks.look", masks, 228, 1)
        for place in range(2):
            yield from conv(f"trunk.masks.convs.{place}", masks, masks, 3)
        for size in range(len(c) - 1):
            yield from conv(f"trunk.masks.outputs.{size}", 4**size, masks, 1)
    for s, (a, b) in enumerate(zip([0, *c], c, strict=False)):
        yield from stage(f"trunk.stage_list.{s}", a, b, warped[s], length, blocks)
    yield from conv("trunk.to_rgb", 4, c[-1], 3)
    for index, leaving in enumerate(config["exits"]):
        first = leaving["stage"]
        if not first:
            continue
        name, widths = f"branches.{index}", [thin(w, leaving["scale_factor"]) for w in c]
        join = conv(f"{name}.join", widths[first - 1], c[first - 1] + guide_channels(config), 1)
        yield from join
        for place, s in enumerate(range(first, len(c) - 1)):
            a, b = widths[s - 1], widths[s]
            yield from stage(f"{name}.stages.{place}", a, b, warped[s], length, 1)
        yield from conv(f"{name}.to_rgb", 16, widths[-2] + 12, 3)


def stage(name: str, a: int, b: int, warped: int, descriptor: int, blocks: int) -> Named:
    if a:
        yield from conv(f"{name}.carry", b, a, 1, bias=False)
    yield from conv(f"{name}.join", b, warped + 10, 1)
    yield from linear(f"{name}.style", 2 * b, descriptor)
    yield from residuals(f"{name}.blocks", b, blocks)


def residuals(name: str, width: int, count: int) -> Named:
    for place in range(count):
        yield from conv(f"{name}.{place}.conv_0", width, width, 3)
        yield from conv(f"{name}.{place}.conv_1", width, width, 3)


def predict(tensors: dict[str, Array], maps: Array, vector: Array) -> tuple[Array, Array]:
    """Means and spreads of all branches.

    Args:
        tensors: as stored.
        maps: (channels, height, width).
        vector: (length,).
    """
    weights = {name: value.astype(np.float32) for name, value in tensors.items()}
    for layer in range(0, 8, 2):
        name = f"predictor.layers.{layer}"
        maps = leaky(strided(maps, weights[f"{name}.weight"], weights[f"{name}.bias"]))
    hidden = np.concatenate([maps.mean((1, 2)), maps.max((1, 2)), vector])
    for name in ("hidden", "output"):
        weight, bias = weights[f"predictor.{name}.weight"], weights[f"predictor.{name}.bias"]
        hidden = weight @ (leaky(hidden) if name == "output" else hidden) + bias
    mean, spread = np.split(np.log1p(np.exp(hidden - 3)), 2)
    return mean, spread


def leaky(values: Array) -> Array:
    return np.where(values > 0, values, values * np.float32(0.2))


def strided(maps: Array, weight: Array, bias: Array) -> Array:
    """A 3x3 convolution of stride 2 and zero padding of 1."""
    padded = np.pad(maps, ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))[:, ::2, ::2]
    return np.einsum("cyxij,ocij->oyx", windows, weight) + bias[:, None, None]


def label_views(config: dict[str, Any], label_map: Array) -> Array:
    """What the predictor of family "label_maps" sees of a label map (height, width)."""
    shape = config["generator"]
    one_hot = np.eye(shape["classes"], dtype=np.float32)[label_map].transpose(2, 0, 1)
    if shape["modulation"] == "spade":
        return one_hot[:, ::4, ::4]
    classes, height, width = one_hot.shape
    shares = one_hot.reshape(classes, height // 4, 4, width // 4, 4).mean((2, 4))
    rows = np.linspace(-1, 1, height // 4, dtype=np.float32)[:, None]
    columns = np.linspace(-1, 1, width // 4, dtype=np.float32)[None]
    both = [np.broadcast_to(axis, shares.shape[1:]) for axis in (rows, columns)]
    return np.concatenate([shares, np.stack(both)])


def choose(config: dict[str, Any], mean: Array, spread: Array, wanted: float) -> int:
    """The exit, counted from 1, that a budget buys."""
    budget: float = wanted
    margin: float | None = 0.0
    calibration = config["calibration"]
    if calibration:
        pairs = zip(calibration["budgets"], calibration["margins"], strict=True)
        within = [pair for pair in pairs if pair[0] <= wanted + 1e-9]
        budget, margin = within[-1] if within else (0.0, None)
    if margin is not None:
        for place, (expected, width) in enumerate(zip(mean, spread, strict=True), 1):
            if expected + max(margin, 0) * width <= budget:
                return place
    return len(config["exits"]) + 1
