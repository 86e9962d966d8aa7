"""Every figure of a label-map checkpoint, on data that training did not see."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fiancee_hub.core.errors import CheckpointError, DataError
from fiancee_hub.core.perceptual import PerceptualDistance
from fiancee_hub.core.recipe import Recipe
from fiancee_hub.core.router import Calibration
from fiancee_hub.evaluation.evaluate import Figures, Subject, identity, routing_figures
from fiancee_hub.evaluation.promise import promise_figures
from fiancee_hub.families.label_maps.config import OasisConfig
from fiancee_hub.families.label_maps.judging.judge import real_level
from fiancee_hub.families.label_maps.judging.quality import PhotoQuality
from fiancee_hub.families.label_maps.judging.segmenter import Segmenter, load_segmenter
from fiancee_hub.families.label_maps.training.class_table import TABLE
from fiancee_hub.families.label_maps.training.maps import drawn_maps
from fiancee_hub.families.label_maps.training.photographs import DataFolder
from fiancee_hub.families.label_maps.training.task import MapsTask
from fiancee_hub.hub.config import CheckpointConfig
from fiancee_hub.measuring.measure import Measurement, measure, try_exits
from fiancee_hub.measuring.realism import JudgeNet, Pooled, relative
from fiancee_hub.measuring.routing import BUDGETS, budget_table, routed_exits
from fiancee_hub.measuring.validity import Drawn

Exits = NDArray[np.integer[Any]]
"""Of every input, 1 … K."""

TEST, PHOTOS = "test", "photos"
"""Splits that an evaluation needs: what it is about, and other photographs to compare with."""

CALIBRATION = "calibration-"
TRAINING = ("maps", PHOTOS)
DRAWN = 200
DRAWN_SEED = 1_900_000
"""Drawings that neither training nor calibration draws."""


@dataclass(frozen=True)
class EvaluatedMaps:
    """What was found, and the pictures that the card shows."""

    figures: Figures
    maps: Tensor
    images: list[Tensor]
    photos: Tensor


def evaluate_maps(
    folder: Path,
    data: DataFolder,
    segmenter: Segmenter | None,
    *,
    seed: int = 0,
    keep_times: bool = False,
) -> EvaluatedMaps:
    """Measures a checkpoint on the split ``test``, and its routing on all other kinds of maps.

    Those are the further splits that no training phase reads, and fresh drawings where the
    classes can be drawn.

    Args:
        folder: the checkpoint.
        data: prepared data with the splits ``test`` and ``photos``.
        segmenter: the net that judges pictures; without one there is no mIoU.
        seed: of the noise.
        keep_times: take the times over from an earlier evaluation.

    Raises:
        CheckpointError, DataError: naming what is missing.
    """
    subject = Subject.load(folder, "label_maps", keep_times=keep_times)
    check_classes(subject.config, data)
    for split in (TEST, PHOTOS):
        data.names(split)
    size = _size(subject.config)
    lpips = PerceptualDistance()
    judge = PhotoQuality.of_folder(data, size, segmenter, lpips)
    maps, noise = inputs = held_out_maps(subject.config, data, seed)
    trial = try_exits(subject.model, inputs, lpips)
    example = maps[:1], noise[:1]
    others = _other_inputs(subject, data, lpips, seed)
    routes = _routes(trial.found, subject.calibration)
    figures = {
        **identity(subject, TEST, len(maps), seed),
        **routing_figures(subject, trial.found, trial.unguided, example),
        "full_depth_quality": judge.score(trial.images[-1]),
        "exit_quality": _exit_quality(trial.images[:-1], judge),
        "realism": realism(data, size, trial.images, routes),
        "delivered_quality": _delivered_quality(routes, trial.images, judge),
        "other_inputs": [_routed(subject, name, drawn) for name, drawn in others.items()],
        **_promise(subject, data, trial.found, others, lpips),
    }
    return EvaluatedMaps(figures, maps, trial.images, data.images(TEST, size))


def held_out_maps(config: CheckpointConfig, data: DataFolder, seed: int) -> tuple[Tensor, Tensor]:
    """Label maps of the split ``test`` and their noise."""
    maps = data.label_maps(TEST, _size(config))
    return maps, _noise(config, len(maps), seed)


def realism(
    data: DataFolder,
    size: tuple[int, int],
    images: list[Tensor],
    routes: Mapping[float, Exits] = MappingProxyType({}),
) -> Figures:
    """What the judge that training goes by says of the pictures of the test split, the real level
    being photographs of other drives; nothing where its package is not installed.

    Args:
        data: with photographs of the split.
        size: height and width of the pictures.
        images: of every exit, full depth last.
        routes: by budget, the exit that delivers each picture.

    Returns:
        ``exits`` and ``budgets``, each with what ``RealLevel.score`` says and ``to_full_depth``,
        its ``ratio`` relative to that of full depth (None where that is not above 0).
    """
    try:
        net = JudgeNet()
    except ModuleNotFoundError:
        return {}
    level = real_level(data, size, net, TEST)
    pooled = [net.pooled(batch) for batch in images]
    full = level.score(pooled[-1])["ratio"]

    def judged(features: Pooled) -> Figures:
        score = level.score(features)
        return score | {"to_full_depth": relative(score["ratio"], full)}

    delivered = {
        budget: {name: _delivered([row[name] for row in pooled], exits) for name in pooled[0]}
        for budget, exits in routes.items()
    }
    return {
        "exits": [judged(features) for features in pooled],
        "budgets": [{"budget": budget} | judged(found) for budget, found in delivered.items()],
    }


def check_classes(config: CheckpointConfig, data: DataFolder) -> None:
    """Refuses data whose ids mean other classes than the checkpoint's.

    Raises:
        DataError: they do.
    """
    theirs, ours = ([entry.name for entry in classes] for classes in (config.classes, data.classes))
    if theirs == ours:
        return
    pairs = zip(ours, theirs, strict=False)
    differ = next((f", and {a!r} is {b!r} there" for a, b in pairs if a != b), "")
    raise DataError(
        f"{data.root / TABLE} has {len(ours)} classes, the checkpoint {len(theirs)}{differ}: "
        "evaluate on data with the checkpoint's classes"
    )


def named_segmenter(folder: Path, names: Sequence[str]) -> Segmenter:
    """The net that judges pictures, from the folder that somebody named.

    Raises:
        CheckpointError: there is none, or it judges label maps with another number of classes.
    """
    segmenter = load_segmenter(folder)
    if len(segmenter.config.targets) != len(names):
        raise CheckpointError(
            f"{folder} judges label maps of {len(segmenter.config.targets)} classes, the "
            f"checkpoint has {len(names)}: leave --segmenter out, or train one with `train "
            "segmenter`"
        )
    return segmenter


def fitting_segmenter(folder: Path, names: Sequence[str]) -> Segmenter | None:
    """The net in ``folder`` if it was made for these very classes; None otherwise."""
    if not (folder / "config.json").is_file():
        return None
    segmenter = load_segmenter(folder)
    return segmenter if segmenter.config.judges(names) else None


def _size(config: CheckpointConfig) -> tuple[int, int]:
    return config.generator.height, config.generator.width


def _noise(config: CheckpointConfig, count: int, seed: int) -> Tensor:
    assert isinstance(config.generator, OasisConfig)
    random = torch.Generator().manual_seed(seed)
    return torch.randn(count, config.generator.noise_channels, generator=random)


def _routes(found: Measurement, calibration: Calibration) -> dict[float, Exits]:
    """The exit of every input, by budget."""
    return {budget: routed_exits(found, calibration, budget) for budget in BUDGETS}


def _delivered(of_exits: Sequence[Tensor], exits: Exits) -> Tensor:
    """Of each row, what its exit (1 … K) made."""
    return torch.stack([of_exits[int(exit) - 1][row] for row, exit in enumerate(exits)])


def _exit_quality(images: list[Tensor], judge: PhotoQuality) -> list[Figures]:
    """KID and mIoU of every branch's pictures."""
    return [{"exit": index} | _scored(judge, batch) for index, batch in enumerate(images, 1)]


def _delivered_quality(
    routes: Mapping[float, Exits], images: list[Tensor], judge: PhotoQuality
) -> list[Figures]:
    """KID and mIoU of what each budget delivers: LPIPS to a dull full depth proves nothing."""
    return [
        {"budget": budget} | _scored(judge, _delivered(images, exits))
        for budget, exits in routes.items()
    ]


def _scored(judge: PhotoQuality, images: Tensor) -> Figures:
    score = judge.score(images)
    keys = ("lpips_to_photo", "kid", "kid_std", "miou")
    return {key: score[key] for key in keys if key in score}


def _other_inputs(
    subject: Subject, data: DataFolder, lpips: PerceptualDistance, seed: int
) -> dict[str, Drawn]:
    """Every other kind of maps that nothing was trained or calibrated on, by its name."""
    size = _size(subject.config)
    sets = {name: data.label_maps(name, size) for name in other_splits(data)}
    units = {name: data.units(name) for name in sets}
    if data.draw:
        sets["drawn"] = drawn_maps(data.draw, DRAWN, size, DRAWN_SEED)
        units["drawn"] = [f"other drawing {index}" for index in range(DRAWN)]
    found = {}
    for name, maps in sets.items():
        noise = _noise(subject.config, len(maps), seed)
        measured = measure(subject.model, (maps, noise), lpips)
        found[name] = Drawn(measured, [name] * len(maps), units[name])
    return found


def _routed(subject: Subject, name: str, drawn: Drawn) -> Figures:
    table = budget_table(drawn.found, subject.config.costs, subject.calibration)
    return {"split": name, "n": len(drawn.units), "budgets": table}


def _promise(
    subject: Subject,
    data: DataFolder,
    found: Measurement,
    others: dict[str, Drawn],
    lpips: PerceptualDistance,
) -> Figures:
    """Whether the promise holds, where the data has what the checkpoint was calibrated on.

    The split ``test`` is of the only kind that was calibrated on and that no other set is of.
    """
    if not (data.draw or data.splits(CALIBRATION)):
        return {}
    config = subject.config
    assert isinstance(config.generator, OasisConfig)
    recipe = Recipe(config.generator, config.exits, config.guides)
    inputs, groups, units = MapsTask(data, recipe).calibration_inputs()
    calibrated = Drawn(measure(subject.model, inputs, lpips), groups, units)
    left = [kind for kind in dict.fromkeys(groups) if kind not in others]
    kind = left[0] if len(left) == 1 else TEST
    test = Drawn(found, [kind] * len(found.true), data.units(TEST))
    return promise_figures(subject.calibration, calibrated, [test, *others.values()])


def other_splits(data: DataFolder) -> list[str]:
    """Names of the splits that neither training nor calibration reads, ``test`` left out."""
    read = (TEST, *TRAINING)
    begun = (CALIBRATION, f"{PHOTOS}-")
    return [name for name in data.splits("") if name not in read and not name.startswith(begun)]
