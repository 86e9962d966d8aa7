"""Backbones that people already have: official OASIS checkpoints in this project's format.

The official code (boschresearch/OASIS) saves ``state_dict`` of its generator with torch.save; this
is the only place that reads such a file, and only as plain tensors. Its convolutions carry
spectral normalisation, which is folded into their weights here: at inference it is a constant.
"""

import json
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fiancee_hub.core.cost import count
from fiancee_hub.core.errors import CheckpointError, InputError
from fiancee_hub.core.exits import EarlyExitModel, GuideConfig
from fiancee_hub.core.files import write_text
from fiancee_hub.core.lfs import check_fetched
from fiancee_hub.core.recipe import Recipe
from fiancee_hub.families.label_maps.classes import ClassEntry
from fiancee_hub.families.label_maps.config import OasisConfig
from fiancee_hub.hub.card import Origin, model_card
from fiancee_hub.hub.checkpoints import build, save_checkpoint
from fiancee_hub.hub.config import CheckpointConfig, untrained
from fiancee_hub.hub.saving import CARD

NOISE_CHANNELS = 64
"""Of the official networks."""

MOST_CLASSES = 256
NAMES = (
    (re.compile(r"^fc\."), "head."),
    (re.compile(r"^conv_img\."), "to_rgb."),
    (re.compile(r"^body\."), "blocks."),
    (re.compile(r"\.mlp_shared\.0\."), ".mlp_shared."),
)
"""Official names and ours; the names of all other parts are the same."""


@dataclass(frozen=True)
class Source:
    """What an official checkpoint was trained for: its data set and its picture size."""

    title: str
    height: int
    width: int


SOURCES = {
    "cityscapes": Source("Cityscapes", 256, 512),
    "ade20k": Source("ADE20K", 256, 256),
    "coco": Source("COCO-Stuff", 256, 256),
}


def convert_oasis(
    file: Path,
    out: Path,
    classes: tuple[ClassEntry, ...],
    size: tuple[int, int],
    *,
    origin: Origin = Origin("OASIS"),
    rounded: bool = False,
) -> CheckpointConfig:
    """Writes a checkpoint folder with full depth only, to train branches for.

    Args:
        file: the EMA generator's ``state_dict`` (``…_EMA.pth``).
        out: folder to write.
        classes: one for each channel of the one-hot label map, in order.
        size: height and width of the pictures.
        origin: for the model card.
        rounded: store float16: half the size, no longer equal to the bit.

    Raises:
        CheckpointError: the file is no such state_dict, or has another number of classes.
    """
    state = official_names(read_pickle(file), file)
    generator = _shape(state, file, classes, size)
    unknown = untrained("label_maps", Recipe(generator, (), GuideConfig()), classes)
    with torch.device("meta"):
        model = build(unknown)
        costs = count(model)
    config = replace(unknown, costs=costs)
    _fill(model, state, file)
    save_checkpoint(out, model, config, exact=not rounded)
    write_text(out / CARD, str(model_card(config, origin)))
    return config


def read_pickle(file: Path) -> dict[str, Tensor]:
    """Tensors of a file that torch.save wrote; nothing in it is executed.

    Raises:
        CheckpointError: it cannot be read, or holds anything but a table of tensors.
    """
    check_fetched(file)
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"{file}: cannot be read ({error.strerror or error})") from error
    except pickle.UnpicklingError as error:
        # Torch's own sentence tells readers how to execute what is in the file.
        raise CheckpointError(
            f"{file}: no plain tensors saved by torch (it holds other objects, which are not "
            "loaded, or it is damaged)"
        ) from error
    except (RuntimeError, ValueError, EOFError, KeyError) as error:
        reason = str(error).partition("\n")[0]
        raise CheckpointError(f"{file}: no plain tensors saved by torch ({reason})") from error
    if not isinstance(state, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        raise CheckpointError(f"{file}: no state_dict: give the official file that ends in EMA.pth")
    return dict(state)


def official_names(state: dict[str, Tensor], file: Path) -> dict[str, Tensor]:
    """An official state_dict under this project's names, spectral normalisation folded in."""
    if all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): value for name, value in state.items()}
    folded = {}
    for name, value in state.items():
        if name.endswith(("_u", "_v")):
            continue
        if name.endswith("_orig"):
            name = name.removesuffix("_orig")
            value = _without_spectral_norm(state, name, file)
        for pattern, ours in NAMES:
            name = pattern.sub(ours, name)
        folded[name] = value
    return folded


def _without_spectral_norm(state: dict[str, Tensor], name: str, file: Path) -> Tensor:
    """The weight that the convolution has at inference: divided by u · W v."""
    weight = state[f"{name}_orig"].float()
    for part in ("_u", "_v"):
        if f"{name}{part}" not in state:
            raise CheckpointError(f"{file}: tensor '{name}{part}' is missing")
    left, right = state[f"{name}_u"].float(), state[f"{name}_v"].float()
    matrix = weight.flatten(1)
    if left.shape != (matrix.shape[0],) or right.shape != (matrix.shape[1],):
        raise CheckpointError(f"{file}: tensors '{name}_u' and '{name}_v' do not fit the weight")
    return weight / torch.dot(left, matrix @ right)


def _shape(
    state: dict[str, Tensor], file: Path, classes: tuple[ClassEntry, ...], size: tuple[int, int]
) -> OasisConfig:
    """The generator's shape, read off its tensors."""
    weights: list[Tensor] = []
    while f"blocks.{len(weights)}.conv_1.weight" in state:
        weights.append(state[f"blocks.{len(weights)}.conv_1.weight"])
    head = state.get("head.weight")
    if not 3 <= len(weights) <= 8 or head is None or head.dim() != 4:
        raise CheckpointError(f"{file}: no OASIS generator (fc and 3 to 8 blocks of body)")
    found = head.shape[1] - NOISE_CHANNELS
    if found != len(classes):
        raise CheckpointError(f"{file}: it has {found} classes, the class table {len(classes)}")
    shrink = 2 ** (len(weights) - 1)
    for side in size:
        if not shrink <= side <= 2048 or side % shrink:
            raise InputError(f"size {size} does not fit: give multiples of {shrink} up to 2048")
    channels = (head.shape[0], *(weight.shape[0] for weight in weights))
    return OasisConfig(
        len(classes), *size, channels, noise_channels=NOISE_CHANNELS, modulation="spade"
    )


def _fill(model: EarlyExitModel, state: dict[str, Tensor], file: Path) -> None:
    """Puts ``state`` into the trunk of a model without storage, after checking that it fits."""
    expected = model.trunk.state_dict()
    for name in expected:
        # Old releases of torch did not count batches; nothing reads the count at inference.
        if name.endswith("num_batches_tracked"):
            state.setdefault(name, torch.zeros((), dtype=torch.long))
    for problem, names in (
        ("lacks", expected.keys() - state.keys()),
        ("has in excess", state.keys() - expected.keys()),
    ):
        if names:
            raise CheckpointError(f"{file}: it {problem} {min(names)!r} ({len(names)} in all)")
    for name, like in expected.items():
        if state[name].shape != like.shape:
            found, wanted = tuple(state[name].shape), tuple(like.shape)
            raise CheckpointError(f"{file}: tensor '{name}' has shape {found}, not {wanted}")
    values = {name: state[name].to(like.dtype) for name, like in expected.items()}
    model.trunk.load_state_dict(values, assign=True)


def read_classes(name_or_file: str | Path) -> tuple[ClassEntry, ...]:
    """A class table: one of ``SOURCES``, or a JSON file.

    The file is a list of ``{"name": …, "colour": [red, green, blue]}``, or of names alone, in the
    order of the class ids; ``"id"`` may stand there too. Without a colour a class gets one. The
    list may be the field ``"classes"`` of an object, as in a folder of training data.

    Raises:
        InputError: it is missing or is no class table.
    """
    if name_or_file in SOURCES:
        return parse_classes(name_or_file, str(name_or_file))
    try:
        raw = json.loads(Path(name_or_file).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"class table {name_or_file} cannot be read: {error}") from error
    return parse_classes(raw.get("classes") if isinstance(raw, dict) else raw, str(name_or_file))


def parse_classes(raw: Any, where: str) -> tuple[ClassEntry, ...]:
    """The class table that ``where`` holds: a list as ``read_classes`` has it, or a known name."""
    if isinstance(raw, str) and raw in SOURCES:
        table = resources.files("fiancee_hub") / "assets" / "classes" / f"{raw}.json"
        raw = json.loads(table.read_text(encoding="utf-8"))
    if not isinstance(raw, list) or not 2 <= len(raw) <= MOST_CLASSES:
        raise InputError(f"class table {where}: give a list of 2 to {MOST_CLASSES} classes")
    return tuple(_class(index, row, where) for index, row in enumerate(raw))


def _class(index: int, row: Any, where: str) -> ClassEntry:
    row = {"name": row} if isinstance(row, str) else row
    if not isinstance(row, dict) or not isinstance(row.get("name"), str):
        raise InputError(f"class table {where}: class {index} has no name")
    if row.get("id", index) != index:
        raise InputError(f"class table {where}: class {index} has the id {row['id']}")
    colour = row.get("colour", distinct_colour(index))
    parts = colour if isinstance(colour, list | tuple) else ()
    if len(parts) != 3 or not all(type(part) is int and 0 <= part <= 255 for part in parts):
        raise InputError(f"class table {where}: class {index} has no colour of three bytes")
    red, green, blue = parts
    return ClassEntry(index, row["name"], (red, green, blue))


def distinct_colour(index: int) -> tuple[int, int, int]:
    """A colour of its own for each id from 0 to 255: its bits dealt out to the three channels."""
    channels = [0, 0, 0]
    for bit in range(8):
        channels[bit % 3] |= (index >> bit & 1) << (7 - bit // 3)
    return channels[0], channels[1], channels[2]


def official_origin(name: str) -> Origin:
    """What the card says about a converted official checkpoint."""
    title = SOURCES[name].title
    return Origin(
        name=f"OASIS {title}",
        license_name="oasis-checkpoint-and-data-terms",
        license_link="https://github.com/boschresearch/OASIS",
        datasets=(name,),
        remarks=(
            f"The weights are converted from the official OASIS checkpoint for {title}; its "
            "authors publish their code under AGPL-3.0, and the data set has terms of its own."
        ),
    )
