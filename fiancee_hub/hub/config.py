"""config.json of a checkpoint: typed, checked, and with errors that name the field."""

import dataclasses
import json
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from fiancee_hub.core.cost import Costs
from fiancee_hub.core.errors import CheckpointError
from fiancee_hub.core.exits import ExitConfig, GuideConfig
from fiancee_hub.core.lfs import check_fetched
from fiancee_hub.core.recipe import Recipe
from fiancee_hub.core.router import Calibration
from fiancee_hub.families.faces.generator import PortraitConfig
from fiancee_hub.families.label_maps.classes import ClassEntry
from fiancee_hub.families.label_maps.generator import OasisConfig

FORMAT = 1
GENERATORS = {"oasis": OasisConfig, "portraits": PortraitConfig}
"""Shape of the trunk of each family."""

MAX_CONFIG_BYTES = 2**20


@dataclass(frozen=True)
class CheckpointConfig:
    """Everything about a checkpoint that is no tensor.

    Args:
        family: generator family; ``"oasis"`` turns label maps into street photographs,
            ``"portraits"`` gives a face another's head pose and expression.
        generator: shape of the trunk.
        classes: id, name and colour of every class of a label map; none for faces.
        exits: the branches, cheapest first; full depth is not listed.
        guides: size of the guide bank.
        costs: MACs of every exit.
        calibration: margins of the router; None: no guarantee, the router uses the mean alone.
        format: version of this layout.
    """

    family: Literal["oasis", "portraits"]
    generator: Any
    classes: tuple[ClassEntry, ...]
    exits: tuple[ExitConfig, ...]
    guides: GuideConfig
    costs: Costs
    calibration: Calibration | None = None
    format: int = FORMAT


def untrained(recipe: Recipe, classes: tuple[ClassEntry, ...] = ()) -> CheckpointConfig:
    """Of a checkpoint before its training; its costs are yet to be counted."""
    family: Literal["oasis", "portraits"] = (
        "oasis" if isinstance(recipe.generator, OasisConfig) else "portraits"
    )
    unknown = Costs((1,) * (len(recipe.exits) + 1), 0, 0, 0)
    return CheckpointConfig(family, recipe.generator, classes, recipe.exits, recipe.guides, unknown)


def to_json(config: CheckpointConfig) -> str:
    return json.dumps(dataclasses.asdict(config), indent=1) + "\n"


def read_config(path: Path) -> CheckpointConfig:
    """Reads and checks config.json.

    Raises:
        CheckpointError: it is missing, no JSON, of another format version, or a field is
            missing, unknown, of the wrong type or out of bounds.
    """
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise CheckpointError(f"{path}: larger than {MAX_CONFIG_BYTES} bytes")
        check_fetched(path)
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: no valid JSON ({error})") from error
    if not isinstance(raw, dict):
        raise CheckpointError(f"{path}: not a JSON object")
    version = raw.get("format")
    if type(version) is not int or version != FORMAT:
        raise CheckpointError(
            f"{path}: field 'format' is {version!r}, this version reads {FORMAT}: "
            "upgrade the package or choose another revision"
        )
    try:
        config: CheckpointConfig = _parse(CheckpointConfig, raw, "")
        _check_bounds(config)
    except _FieldError as error:
        raise CheckpointError(f"{path}: field '{error.field}' {error}") from None
    return config


class _FieldError(Exception):
    def __init__(self, field: str, problem: str) -> None:
        super().__init__(problem)
        self.field = field or "(top)"


def _parse(kind: Any, value: Any, field: str) -> Any:
    """``value`` as ``kind``: a dataclass, tuple, dict, Literal, optional or plain type."""
    origin, inner = get_origin(kind), get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _parse_dataclass(kind, value, field)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in inner:
            return None
        return _parse(next(k for k in inner if k is not type(None)), value, field)
    if origin is Literal:
        if value not in inner:
            raise _FieldError(field, f"is {value!r}, not one of {list(inner)}")
        return value
    if origin is tuple:
        return _parse_tuple(inner, value, field)
    if origin is dict:
        _expect(value, dict, field)
        return {key: _parse(inner[1], item, f"{field}.{key}") for key, item in value.items()}
    return _parse_plain(kind, value, field)


def _parse_plain(kind: type, value: Any, field: str) -> Any:
    if kind is float and type(value) is int and abs(value) < 2**63:
        return float(value)
    _expect(value, kind, field)
    if kind is float and not abs(value) < float("inf"):
        raise _FieldError(field, "is no finite number")
    return value


def _parse_tuple(inner: tuple[Any, ...], value: Any, field: str) -> tuple[Any, ...]:
    _expect(value, list, field)
    kinds = [inner[0]] * len(value) if inner[-1] is Ellipsis else list(inner)
    if len(kinds) != len(value):
        raise _FieldError(field, f"has {len(value)} values, not {len(kinds)}")
    return tuple(
        _parse(kind, item, f"{field}[{index}]")
        for index, (kind, item) in enumerate(zip(kinds, value, strict=True))
    )


def _parse_dataclass(kind: Any, value: Any, field: str) -> Any:
    _expect(value, dict, field)
    hints = get_type_hints(kind)
    if kind is CheckpointConfig:
        family = _parse(hints["family"], value.get("family"), "family")
        hints["generator"] = GENERATORS[family]
    prefix = f"{field}." if field else ""
    known = {f.name: f for f in dataclasses.fields(kind)}
    for name in value:
        if name not in known:
            raise _FieldError(prefix + name, "is unknown")
    arguments = {}
    for name, entry in known.items():
        if name in value:
            arguments[name] = _parse(hints[name], value[name], prefix + name)
        elif entry.default is dataclasses.MISSING and entry.default_factory is dataclasses.MISSING:
            raise _FieldError(prefix + name, "is missing")
    return kind(**arguments)


def _expect(value: Any, kind: type, field: str) -> None:
    if type(value) is not kind:
        raise _FieldError(field, f"is a {type(value).__name__}, not a {kind.__name__}")


def _check_bounds(config: CheckpointConfig) -> None:
    """Refuses shapes that no real model has, before anything is built from them."""
    if isinstance(config.generator, OasisConfig):
        _check_oasis(config.generator)
        classes = config.generator.classes
    else:
        _check_portraits(config.generator)
        classes = 0
    _bound("exits", len(config.exits), 0, 16)
    _bound("guides.entries", config.guides.entries, 0, 65536)
    for value in config.guides.value_shape:
        _bound("guides.value_shape", value, 1, 1024)
    _check_exits(config)
    _check_calibration(config)
    for index, entry in enumerate(config.classes):
        for part in entry.colour:
            _bound(f"classes[{index}].colour", part, 0, 255)
    if [entry.id for entry in config.classes] != list(range(classes)):
        raise _FieldError("classes", f"does not list the {classes} ids from 0 on in order")


def _check_oasis(generator: OasisConfig) -> None:
    stages = generator.stages
    _bound("generator.channels", stages, 3, 8)
    for name in ("height", "width"):
        _check_size(f"generator.{name}", getattr(generator, name), 2 ** (stages - 1))
    for field, values, low, high in (
        ("generator.channels", generator.channels, 1, 4096),
        ("generator.hidden", generator.hidden, 1, 1024),
        ("generator.noise_channels", (generator.noise_channels,), 1, 1024),
        ("generator.classes", (generator.classes,), 2, 256),
    ):
        for value in values:
            _bound(field, value, low, high)
    needed = generator.modulation == "shared" or generator.hidden
    if needed and len(generator.hidden) != stages:
        raise _FieldError("generator.hidden", f"has {len(generator.hidden)} values, not {stages}")


def _check_portraits(generator: PortraitConfig) -> None:
    _bound("generator.channels", generator.stages, 3, 8)
    _bound("generator.encoder", len(generator.encoder), 1, generator.stages)
    _check_size("generator.size", generator.size, 2**generator.stages)
    for field, values, low, high in (
        ("generator.channels", generator.channels, 1, 4096),
        ("generator.encoder", generator.encoder, 1, 4096),
        ("generator.depth", (generator.depth,), 1, 64),
        ("generator.blocks", (generator.blocks,), 1, 16),
        ("generator.motion_channels", (generator.motion_channels,), 1, 1024),
        ("generator.descriptor", (generator.descriptor,), 1, 4096),
    ):
        for value in values:
            _bound(field, value, low, high)
    if generator.encoder[-1] % generator.depth:
        raise _FieldError("generator.depth", "does not divide the last of generator.encoder")
    if len(generator.encoder) not in (generator.stages - 2, generator.stages - 1):
        raise _FieldError("generator.encoder", "does not reach from the picture to the volume")


def _check_size(field: str, size: int, shrink: int) -> None:
    _bound(field, size, shrink, 2048)
    if size % shrink:
        raise _FieldError(field, f"is {size}, no multiple of {shrink}")


def _check_exits(config: CheckpointConfig) -> None:
    for index, entry in enumerate(config.exits):
        _bound(f"exits[{index}].stage", entry.stage, 1, config.generator.stages - 2)
        _bound(f"exits[{index}].scale_factor", entry.scale_factor, 1, 64)
    channels, _, _ = config.guides.value_shape
    if round((channels // 3) ** 0.5) ** 2 * 3 != channels:
        raise _FieldError("guides.value_shape", f"has {channels} channels, not 3, 12, 27 or alike")
    if len(config.costs.exits) != len(config.exits) + 1:
        raise _FieldError("costs.exits", "does not list one cost for each exit and full depth")
    for cost in config.costs.exits:
        _bound("costs.exits", cost, 1, 2**63)


def _check_calibration(config: CheckpointConfig) -> None:
    calibration = config.calibration
    if calibration is None:
        return
    if len(calibration.budgets) != len(calibration.margins):
        raise _FieldError("calibration.margins", "is not as long as calibration.budgets")
    if list(calibration.budgets) != sorted(set(calibration.budgets)):
        raise _FieldError("calibration.budgets", "is not ascending")


def _bound(field: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise _FieldError(field, f"is {value}, out of bounds ({low} to {high})")
