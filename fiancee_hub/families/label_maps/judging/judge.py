"""How real generated scenes look, split by split, beside photographs of other places.

Unlike ``evaluate`` this may choose: it looks at the calibration splits, never at the test ones
unless asked to.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fiancee_hub.core.errors import DataError
from fiancee_hub.core.exits import EarlyExitModel
from fiancee_hub.core.pixels import as_bytes
from fiancee_hub.families.label_maps.judging.quality import (
    check_files,
    predict,
    segmentation_scores,
)
from fiancee_hub.families.label_maps.judging.segmenter import Segmenter
from fiancee_hub.families.label_maps.training.photographs import DataFolder
from fiancee_hub.families.label_maps.training.task import MapsTask
from fiancee_hub.measuring.measure import render_all
from fiancee_hub.measuring.realism import JudgeNet, RealLevel
from fiancee_hub.training.loop import OVERALL

Figures = dict[str, Any]

Render = Callable[[Tensor, Tensor], list[Tensor]]
"""Label maps and noise to pictures in [-1, 1], one batch for each exit."""

PHOTOS, CALIBRATION = "photos", "calibration-"
BATCH = 4
JUDGED = 128
"""Pictures of a split that are judged during training."""


@dataclass(frozen=True)
class JudgedSplit:
    """One split's maps and the photographs that belong to them.

    Args:
        name: of the split.
        maps: class ids (n, height, width).
        level: features of its photographs, and of training photographs from other drives.
        photos: uint8 (n, 3, height, width).
    """

    name: str
    maps: Tensor
    level: RealLevel
    photos: Tensor


class MapJudge:
    """Kernel distance and mIoU of generated scenes; what depends on photographs is made once."""

    def __init__(
        self,
        data: DataFolder,
        size: tuple[int, int],
        net: JudgeNet,
        *,
        splits: tuple[str, ...] = (),
        most: int | None = None,
        segmenter: Segmenter | None = None,
    ) -> None:
        """Reads the photographs.

        Args:
            data: prepared data with photographs of the splits.
            size: height and width of the pictures.
            net: whose features count.
            splits: to judge on; all ``calibration-KIND`` if none is named.
            most: pictures of a split at most, evenly spread; all if None.
            segmenter: for mIoU, where it knows the classes; left out if None.

        Raises:
            DataError: naming the split, photograph or label map that is missing.
        """
        self.size, self.segmenter = size, segmenter
        names = splits or data.splits(CALIBRATION)
        if not names:
            raise DataError(
                f"{data.root / 'splits'} has no {CALIBRATION}*.txt to judge on: list pictures in "
                "one, or name another split"
            )
        self.splits = [_read(data, size, net, name, most) for name in names]
        self.net = net

    def score(self, render: Render, noise_channels: int, *, seed: int = 0) -> list[Figures]:
        """Figures of every split: ``split``, ``n``, ``exits`` with ``kid`` and ``ratio`` (see
        ``RealLevel``) and ``miou`` of each, and ``miou_real_photos``."""
        rows = []
        for split in self.splits:
            random = torch.Generator().manual_seed(seed)
            noise = torch.randn(len(split.maps), noise_channels, generator=random)
            pictures = _rendered(render, split.maps, noise)
            row: Figures = {"split": split.name, "n": len(split.maps)}
            row |= self._miou(split, split.photos, "_real_photos")
            row["exits"] = [
                {**split.level.score(self.net.pooled(images)), **self._miou(split, images)}
                for images in pictures
            ]
            rows.append(row)
        return rows

    def _miou(self, split: JudgedSplit, images: Tensor, suffix: str = "") -> Figures:
        if self.segmenter is None:
            return {}
        targets = self.segmenter.config.target_of(split.maps)
        found = predict(self.segmenter, images)
        classes = self.segmenter.config.classes
        return {f"miou{suffix}": segmentation_scores(found, targets, classes)["miou"]}


def judge_of(
    task: MapsTask, generator: torch.nn.Module, device: torch.device
) -> Callable[[], dict[str, float]]:
    """Judges a task's generator while it is trained, on the splits that calibrate."""
    judge = MapJudge(task.data, task.size, JudgeNet().to(device), most=JUDGED)

    def judged() -> dict[str, float]:
        rows = judge.score(full_depth(generator), task.generator.noise_channels)
        ratios = {row["split"]: row["exits"][-1]["ratio"] for row in rows}
        return ratios | {OVERALL: overall(rows)}

    return judged


def overall(rows: list[Figures]) -> float:
    """One number for full depth on all splits, smaller is better; 1 is as far as photographs of
    another place."""
    return sum(row["exits"][-1]["ratio"] for row in rows) / len(rows)


def every_exit(model: EarlyExitModel) -> Render:
    """Renders all exits of a model."""
    device = next(model.parameters()).device

    def render(labels: Tensor, noise: Tensor) -> list[Tensor]:
        return render_all(model, model.start(labels.to(device), noise.to(device)))[0]

    return render


def full_depth(generator: torch.nn.Module) -> Render:
    """Renders a bare generator."""
    device = next(generator.parameters()).device
    return lambda labels, noise: [generator(labels.to(device), noise.to(device))]


@torch.no_grad()
def _rendered(render: Render, maps: Tensor, noise: Tensor) -> list[Tensor]:
    """Pictures of every exit, uint8 (n, 3, height, width) each."""
    batches = zip(torch.split(maps, BATCH), torch.split(noise, BATCH), strict=True)
    columns = [[as_bytes(image).cpu() for image in render(*batch)] for batch in batches]
    return [torch.cat(column) for column in zip(*columns, strict=True)]


def _read(
    data: DataFolder, size: tuple[int, int], net: JudgeNet, name: str, most: int | None
) -> JudgedSplit:
    # All photographs, whatever is rendered: they cost little, and the figures are the steadier.
    level = real_level(data, size, net, name)
    photos = data.images(name, size)
    picked = torch.linspace(0, len(photos) - 1, min(len(photos), most or len(photos))).long()
    return JudgedSplit(name, data.label_maps(name, size)[picked], level, photos[picked])


def real_level(data: DataFolder, size: tuple[int, int], net: JudgeNet, split: str) -> RealLevel:
    """Features of a split's photographs, and of the training photographs of other drives.

    Raises:
        DataError: naming the photograph or label map that is missing, or the split that has too
            few.
    """
    for name in (split, PHOTOS):
        check_files(data, name)
    others = data.images(PHOTOS, size)[_elsewhere(data, split)]
    return RealLevel(net.pooled(data.images(split, size)), net.pooled(others))


def _elsewhere(data: DataFolder, name: str) -> Tensor:
    """Rows of the training photographs from other drives than a split's; all if all are its."""
    names = data.names(PHOTOS)
    own = {_place(entry) for entry in data.names(name)}
    elsewhere = torch.tensor([_place(entry) not in own for entry in names])
    return (elsewhere if elsewhere.sum() > 1 else ~elsewhere | elsewhere).nonzero().flatten()


def _place(name: str) -> str:
    """The drive that a name begins with."""
    return name.partition("_")[0]
