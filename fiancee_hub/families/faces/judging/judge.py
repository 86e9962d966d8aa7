"""What a long run of the faces' backbone is judged by: true frames of the validation persons."""

import torch
from torch import Tensor, nn

from fiancee_hub.core.nested import each_tensor
from fiancee_hub.core.perceptual import PerceptualDistance
from fiancee_hub.families.faces.heads import Head, plain_warp
from fiancee_hub.families.faces.judging.hard_places import (
    LEAST_SHARE,
    masked_distance,
    mouth_distance,
)
from fiancee_hub.families.faces.judging.pairs import FramePair, mouth_pairs, self_pairs
from fiancee_hub.families.faces.training.pairs import PairSource, collate
from fiancee_hub.families.faces.training.task import FacesTask
from fiancee_hub.families.faces.visibility import revealed
from fiancee_hub.training.loop import OVERALL

PAIRS = 60
"""Of two frames of one person, and about as many between which the mouth opens or shuts."""

SEED = 700_000
"""Neither calibration's nor any evaluation's."""

BATCH = 4

Batches = list[tuple[tuple[Tensor, Head, Head], Tensor]]
"""Inputs of the generator, and the true frames."""


class FacesJudge:
    """LPIPS to true frames of persons whom no training saw, relative to that of the plain warp:
    of the whole picture, inside mouths that open or shut, and of what comes into view.
    ``overall`` is their mean.

    Args:
        task: its data have filmed persons in the split ``val``.
        generator: full depth.
        device: where it is.

    Raises:
        DataError: nobody was filmed.
    """

    def __init__(self, task: FacesTask, generator: nn.Module, device: torch.device) -> None:
        data, side = task.data, task.generator.height
        source, own = PairSource(data, "val"), self_pairs(data, "val", PAIRS, SEED)
        persons = len({pair.source.person for pair in own})
        mouths = mouth_pairs(data, "val", max(1, round(PAIRS / persons)), SEED)

        def batches(pairs: list[FramePair]) -> Batches:
            made = [source.make(pair.source, pair.driver) for pair in pairs]
            parts = [collate(made[at : at + BATCH], side) for at in range(0, len(made), BATCH)]
            return [(part["inputs"], part["truth"]) for part in parts]

        self.own, self.mouths = batches(own), batches(mouths)
        self.generator, self.device = generator, device
        self.lpips = PerceptualDistance().to(device)

    @torch.no_grad()
    def __call__(self) -> dict[str, float]:
        sums = {
            name: torch.zeros(2, dtype=torch.float64) for name in ("whole", "revealed", "mouth")
        }
        for inputs, truth in self._moved(self.own):
            masks = revealed(*inputs[1:])
            shown = masks.mean((1, 2, 3)) >= LEAST_SHARE
            for index, images in enumerate(self._images(inputs)):
                sums["whole"][index] += self.lpips(images, truth).sum().cpu()
                if shown.any():
                    parts = images[shown], truth[shown], masks[shown]
                    sums["revealed"][index] += masked_distance(self.lpips, *parts).sum().cpu()
        for inputs, truth in self._moved(self.mouths):
            for index, images in enumerate(self._images(inputs)):
                distance = mouth_distance(self.lpips, images, truth, inputs[2].points)
                sums["mouth"][index] += distance.sum().cpu()
        # Where no mouth opens, or nothing comes into view, there is nothing to say about it.
        ratios = {name: float(a / b) for name, (a, b) in sums.items() if b}
        return {OVERALL: sum(ratios.values()) / len(ratios)} | ratios

    def _images(self, inputs: tuple[Tensor, Head, Head]) -> tuple[Tensor, Tensor]:
        """Painted and merely warped."""
        return self.generator(*inputs).float(), plain_warp(*inputs)

    def _moved(self, batches: Batches) -> Batches:
        moved: Batches = each_tensor(batches, lambda tensor: tensor.to(self.device))
        return moved
