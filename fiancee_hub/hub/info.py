"""What a generator costs, without its weights: shapes on the meta device, counted."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any

import torch

from fiancee_hub.core.cost import Costs, count, onward, parameters
from fiancee_hub.core.errors import InputError
from fiancee_hub.core.exits import EarlyExitModel, ExitConfig
from fiancee_hub.core.family import family, names
from fiancee_hub.core.ladder import check_ladder
from fiancee_hub.core.recipe import first_exit
from fiancee_hub.hub.checkpoints import CONFIG, build, resolve
from fiancee_hub.hub.config import CheckpointConfig, read_config, untrained


@dataclass(frozen=True)
class ExitInfo:
    """Cost of one exit.

    Args:
        exit: 1 … K; K is full depth.
        stage: trunk stages that it runs.
        scale_factor: of its branch; None for full depth.
        macs: multiply-accumulates per image, without the predictor.
        macs_ratio: ``macs`` relative to full depth.
        onward: what each later exit costs, relative to full depth, once this one is rendered.
    """

    exit: int
    stage: int
    scale_factor: float | None
    macs: int
    macs_ratio: float
    onward: tuple[float, ...] = ()


@dataclass(frozen=True)
class ModelInfo:
    """Size and cost of a generator.

    Args:
        source: what was asked for.
        family: its family.
        classes: ids in a label map; None where the inputs are no label maps.
        traits: what else there is to say of its form, such as its modulation.
        parameters: weights of the trunk: what full depth needs.
        macs: multiply-accumulates of full depth per image.
        parameters_in_all: weights of trunk, branches and predictor.
        predictor_macs: what a routed call adds.
        guides_macs: guide look-up; part of every branch's cost.
        encoder_macs: of reading a source once for all its drivers; not part of ``macs``, 0 where
            nothing is read ahead.
        exits: cheapest first, full depth last.
    """

    source: str
    family: str
    height: int
    width: int
    classes: int | None
    traits: Mapping[str, str]
    parameters: int
    macs: int
    parameters_in_all: int
    predictor_macs: int
    guides_macs: int
    encoder_macs: int
    exits: tuple[ExitInfo, ...]

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def describe(source: str, exits: tuple[ExitConfig, ...] | None = None) -> ModelInfo:
    """Counts a named generator or a checkpoint; of the latter only config.json is read.

    Args:
        source: the name of a recipe, a folder, or ``"user/repo"``.
        exits: counted in place of its own.

    Raises:
        InputError: there is no such name or folder, or the exits do not fit.
        CheckpointError: its config.json is missing or cannot be used.
    """
    config = _config(source)
    if exits is not None:
        config = dataclasses.replace(config, exits=in_order(config, exits))
    with torch.device("meta"):
        model = build(config)
    costs, shape = count(model), config.generator
    return ModelInfo(
        source=source,
        family=config.family,
        height=shape.height,
        width=shape.width,
        classes=shape.classes or None,
        traits=shape.traits,
        parameters=parameters(model.trunk),
        macs=costs.full_depth,
        parameters_in_all=costs.parameters,
        predictor_macs=costs.predictor,
        guides_macs=costs.guides,
        encoder_macs=costs.encoder,
        exits=_exits(model, costs),
    )


def in_order(config: CheckpointConfig, exits: tuple[ExitConfig, ...]) -> tuple[ExitConfig, ...]:
    """Exits for the generator of ``config``, cheapest first.

    Raises:
        InputError: the generator has no branch after one of the stages.
    """
    check_ladder(exits, config.generator.stages, first_exit(config.generator))
    with torch.device("meta"):
        costs = count(build(dataclasses.replace(config, exits=exits))).exits[:-1]
    return tuple(entry for _, entry in sorted(zip(costs, exits, strict=True), key=itemgetter(0)))


def _config(source: str) -> CheckpointConfig:
    families = {name: family(name).recipes() for name in names()}
    for name, recipes in families.items():
        if source in recipes:
            return untrained(name, recipes[source])
    if "/" not in source and not Path(source).is_dir():
        known = ", ".join(chain(*families.values()))
        raise InputError(f"there is no folder and no configuration '{source}': choose {known}")
    return read_config(resolve(source, files=(CONFIG,)) / CONFIG)


def _exits(model: EarlyExitModel, costs: Costs) -> tuple[ExitInfo, ...]:
    scale_factors = [*(config.scale_factor for config in model.exit_configs), None]
    deeper = [*onward(model), ()]
    return tuple(
        ExitInfo(
            index,
            model.stages_of(index),
            scale_factor,
            macs,
            macs / costs.full_depth,
            tuple(later / costs.full_depth for later in deeper[index - 1]),
        )
        for index, (scale_factor, macs) in enumerate(
            zip(scale_factors, costs.exits, strict=True), 1
        )
    )
