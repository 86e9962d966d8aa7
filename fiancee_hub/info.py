"""What a generator costs, without its weights: shapes on the meta device, counted."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from fiancee_hub.config import read_config
from fiancee_hub.cost import Costs, count, parameters
from fiancee_hub.errors import InputError
from fiancee_hub.hub import CONFIG, resolve
from fiancee_hub.models.configs import OASIS_CONFIGS, STREETS
from fiancee_hub.models.exits import EarlyExitModel, ExitConfig, GuideConfig
from fiancee_hub.models.oasis import OasisConfig, OasisGenerator


@dataclass(frozen=True)
class ExitInfo:
    """Cost of one exit.

    Args:
        exit: 1 … K; K is full depth.
        stage: trunk stages that it runs.
        scale_factor: of its branch; None for full depth.
        macs: multiply-accumulates per image, without the predictor.
        macs_ratio: ``macs`` relative to full depth.
    """

    exit: int
    stage: int
    scale_factor: float | None
    macs: int
    macs_ratio: float


@dataclass(frozen=True)
class ModelInfo:
    """Size and cost of a generator.

    Args:
        source: what was asked for.
        parameters: weights of the trunk: what full depth needs.
        macs: multiply-accumulates of full depth per image.
        parameters_in_all: weights of trunk, branches and predictor.
        predictor_macs: what a routed call adds.
        guides_macs: guide look-up; part of every branch's cost.
        exits: cheapest first, full depth last.
    """

    source: str
    height: int
    width: int
    classes: int
    modulation: str
    parameters: int
    macs: int
    parameters_in_all: int
    predictor_macs: int
    guides_macs: int
    exits: tuple[ExitInfo, ...]

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def describe(source: str) -> ModelInfo:
    """Counts a named generator or a checkpoint; of the latter only config.json is read.

    Args:
        source: a name of ``models.configs.OASIS_CONFIGS``, a folder, or ``"user/repo"``.

    Raises:
        InputError: there is no such name or folder.
        CheckpointError: its config.json is missing or cannot be used.
    """
    generator, exits, guides = _shape(source)
    with torch.device("meta"):
        model = EarlyExitModel(OasisGenerator(generator), exits, guides)
        label_map = torch.zeros(1, generator.height, generator.width, dtype=torch.long)
        costs = count(model, label_map, torch.zeros(1, generator.noise_channels))
    return ModelInfo(
        source=source,
        height=generator.height,
        width=generator.width,
        classes=generator.classes,
        modulation=generator.modulation,
        parameters=parameters(model.trunk),
        macs=costs.full_depth,
        parameters_in_all=costs.parameters,
        predictor_macs=costs.predictor,
        guides_macs=costs.guides,
        exits=_exits(model, costs),
    )


def _shape(source: str) -> tuple[OasisConfig, tuple[ExitConfig, ...], GuideConfig]:
    if source == "streets":
        return STREETS.generator, STREETS.exits, STREETS.guides
    if source in OASIS_CONFIGS:
        return OASIS_CONFIGS[source], (), GuideConfig()
    if "/" not in source and not Path(source).is_dir():
        names = ", ".join(OASIS_CONFIGS)
        raise InputError(f"there is no folder and no configuration '{source}': choose {names}")
    config = read_config(resolve(source, files=(CONFIG,)) / CONFIG)
    return config.generator, config.exits, config.guides


def _exits(model: EarlyExitModel, costs: Costs) -> tuple[ExitInfo, ...]:
    scale_factors = [*(config.scale_factor for config in model.exit_configs), None]
    return tuple(
        ExitInfo(index, model.stages_of(index), scale_factor, macs, macs / costs.full_depth)
        for index, (scale_factor, macs) in enumerate(
            zip(scale_factors, costs.exits, strict=True), 1
        )
    )
