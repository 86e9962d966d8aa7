"""LeCam's regulariser (Tseng et al., CVPR 2021) for a discriminator that tells classes apart."""

import torch
from torch import Tensor
from torch.nn import functional as F

DECAY = 0.99


def margin(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """How much likelier than "fake" the true classes are: the one score that LeCam needs.

    Args:
        logits: (batch, classes + 1, h / 2, w / 2).
        labels: classes (batch, h, w).
        weights: of the classes and of "fake", (classes + 1,).
    """
    half = labels[:, ::2, ::2].long()
    logits = logits.float()
    above = logits.gather(1, half[:, None])[:, 0] - logits[:, -1]
    counts = weights[half]
    return (counts * above).sum() / counts.sum().clamp(min=1e-6)


class LeCam:
    """Moving averages of the scores of real and generated pictures, and the pull towards them.

    Args:
        device: of the scores.
    """

    def __init__(self, device: torch.device) -> None:
        self.anchors = torch.zeros(2, device=device)

    def penalty(self, real: Tensor, fake: Tensor) -> Tensor:
        """Squared excess of each score over the other's average; moves the averages."""
        usual_real, usual_fake = self.anchors.clone()
        scores = torch.stack([real.detach(), fake.detach()])
        self.anchors.lerp_(scores, 1 - DECAY)
        return F.relu(real - usual_fake).square() + F.relu(usual_real - fake).square()
