"""How good images are beside real photographs of the same scenes: LPIPS, KID and mIoU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from fiancee_hub.core.errors import DataError
from fiancee_hub.core.perceptual import PerceptualDistance
from fiancee_hub.core.pixels import signed
from fiancee_hub.families.label_maps.judging.segmenter import IGNORED, Segmenter
from fiancee_hub.measuring.distances import kid, mean_lpips, pooled_features

if TYPE_CHECKING:
    from fiancee_hub.families.label_maps.training.photographs import DataFolder

BATCH = 8
"""Images in memory as features at a time."""

FEWEST = 2
"""Pictures of a set that a kernel distance can be taken to."""


class PhotoQuality:
    """Scores images against the photographs and label maps that they should match.

    What depends on the photographs alone is computed once, so that one instance can score full
    depth and what is delivered at each budget.
    """

    def __init__(
        self,
        photos: Tensor,
        label_maps: Tensor,
        segmenter: Segmenter | None,
        perceptual: PerceptualDistance,
        *,
        other_photos: Tensor | None = None,
    ) -> None:
        """Prepares the photographs' side.

        Args:
            photos: uint8 (n, 3, height, width) or float in [-1, 1].
            label_maps: class ids (n, height, width) of the same pictures.
            segmenter: the judge of mIoU; without one there is none.
            perceptual: LPIPS, whose AlexNet also gives the features of KID.
            other_photos: other photographs; their KID to ``photos`` is the level that real
                pictures reach.
        """
        self.photos, self.segmenter, self.perceptual = photos, segmenter, perceptual
        self.label_maps = label_maps
        self.features = pooled_features(perceptual, photos)
        self.of_photos = self._segmentation(photos)
        self.level: dict[str, float] = {}
        if other_photos is not None:
            mean, std = kid(pooled_features(perceptual, other_photos), self.features)
            self.level = {"kid_other_photos": mean, "kid_other_photos_std": std}

    @classmethod
    def of_folder(
        cls,
        data: DataFolder,
        size: tuple[int, int],
        segmenter: Segmenter | None,
        perceptual: PerceptualDistance,
        *,
        split: str = "test",
        other_split: str = "photos",
    ) -> PhotoQuality:
        """Reads the photographs and label maps of ``split`` at ``size`` (height, width).

        Raises:
            DataError: the folder lacks a split or one of its photographs or label maps, or a
                split has too few.
        """
        for name in (split, other_split):
            check_files(data, name)
        return cls(
            data.images(split, size),
            data.label_maps(split, size),
            segmenter,
            perceptual,
            other_photos=data.images(other_split, size),
        )

    def score(self, images: Tensor) -> dict[str, Any]:
        """Scores images (n, 3, height, width), uint8 or in [-1, 1], one for each photograph.

        Returns:
            ``lpips_to_photo``; ``kid`` and ``kid_std``; ``miou`` and ``iou`` by class;
            ``miou_real_photos`` and ``iou_real_photos``, the segmenter's scores on the photographs
            themselves, where there is a segmenter; ``kid_other_photos`` and its std where other
            photographs were given.
        """
        mean, std = kid(pooled_features(self.perceptual, images), self.features)
        seen = self._segmentation(images)
        segmented = {
            "miou": seen.get("miou"),
            "miou_real_photos": self.of_photos.get("miou"),
            "iou": seen.get("iou"),
            "iou_real_photos": self.of_photos.get("iou"),
        }
        return {
            "lpips_to_photo": mean_lpips(self.perceptual, images, self.photos),
            "kid": mean,
            "kid_std": std,
            **self.level,
            **(segmented if self.segmenter else {}),
        }

    def _segmentation(self, images: Tensor) -> dict[str, Any]:
        """Scores of the segmenter; none without one."""
        if self.segmenter is None:
            return {}
        targets = self.segmenter.config.target_of(self.label_maps)
        predicted = predict(self.segmenter, images)
        return segmentation_scores(predicted, targets, self.segmenter.config.classes)


def predict(segmenter: Segmenter, images: Tensor) -> Tensor:
    """The segmenter's classes uint8 (n, height, width) of images, uint8 or in [-1, 1]."""
    batches = [segmenter.predict(signed(batch)) for batch in torch.split(images, BATCH)]
    return torch.cat(batches)


def confusion_matrix(predicted: Tensor, labels: Tensor, classes: int, unknown: int) -> Tensor:
    """Pixel counts (classes, classes): true class by row, predicted class by column.

    Args:
        predicted: class ids of any shape, all below ``classes``.
        labels: true class ids of the same shape.
        classes: number of classes.
        unknown: label that is not counted.
    """
    known = labels != unknown
    cells = labels[known].long() * classes + predicted[known].long()
    return torch.bincount(cells, minlength=classes**2).reshape(classes, classes)


def class_iou(confusion: Tensor) -> Tensor:
    """Intersection over union (classes,) of each class; NaN for those that no label has."""
    hits, labelled = confusion.diag().double(), confusion.sum(1)
    return torch.where(labelled > 0, hits / (labelled + confusion.sum(0) - hits), torch.nan)


def mean_iou(confusion: Tensor) -> float:
    """Mean intersection over union of the classes that the labels have."""
    return float(class_iou(confusion).nanmean())


def segmentation_scores(
    predicted: Tensor, targets: Tensor, classes: Sequence[str]
) -> dict[str, Any]:
    """``miou``, ``iou`` by class name (None for a class without labels) and pixel ``accuracy``."""
    confusion = confusion_matrix(predicted, targets, len(classes), IGNORED)
    values = class_iou(confusion).tolist()
    by_class = {n: None if v != v else v for n, v in zip(classes, values, strict=True)}
    accuracy = float(confusion.diag().sum() / confusion.sum())
    return {"miou": mean_iou(confusion), "iou": by_class, "accuracy": accuracy}


def check_files(data: DataFolder, split: str, fewest: int = FEWEST) -> None:
    """Raises a DataError that names the first photograph or label map a split lacks, or if it has
    fewer of them than ``fewest``."""
    names = data.names(split)
    for name in names:
        for path in (Path("images") / f"{name}.jpg", Path("labels") / f"{name}.png"):
            if not (data.root / path).is_file():
                raise DataError(f"{data.root / path} is missing: run `train prepare` again")
    if len(names) < fewest:
        raise DataError(
            f"{data.root / 'splits' / split}.txt has too few pictures to judge by, {len(names)}: "
            f"it needs {fewest}; add some, or judge on another split"
        )
