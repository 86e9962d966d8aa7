"""Small discriminators of mouths and eyes, which the whole picture's hardly looks at.

After GFPGAN (Wang et al., CVPR 2021), which counts them ten times.
"""

from functools import partial
from itertools import pairwise
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from fiancee_hub.families.faces.crops import PARTS, crop
from fiancee_hub.training.loop import Losses

WIDTHS = (3, 32, 64, 128)


class PartDiscriminator(nn.Module):
    """Crops (batch, 3, side, side) in [-1, 1] to logits of small patches."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise(WIDTHS):
            layers += [spectral_norm(nn.Conv2d(before, after, 4, 2, 1)), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, spectral_norm(nn.Conv2d(WIDTHS[-1], 1, 3, 1, 1)))

    def forward(self, crops: Tensor) -> Tensor:
        logits: Tensor = self.layers(crops)
        return logits


class _Parts(nn.Module):
    """One discriminator for each part, as one module that a distributed run can wrap."""

    def __init__(self) -> None:
        super().__init__()
        self.nets = nn.ModuleList(PartDiscriminator() for _ in PARTS)

    def forward(self, crops: list[Tensor]) -> list[Tensor]:
        return [net(images) for net, images in zip(self.nets, crops, strict=True)]


class CropJudge:
    """Discriminators of mouth and eyes with their optimizer.

    Args:
        side: of the crops in pixels.
        rate: of their learning.
        accelerator: of the run.
    """

    def __init__(self, side: int, rate: float, accelerator: Accelerator) -> None:
        self.side, self.accelerator = side, accelerator
        nets = _Parts().to(memory_format=torch.channels_last)
        adam = partial(torch.optim.Adam, betas=(0.0, 0.99))
        self.nets, self.optimizer = accelerator.prepare(nets, adam(nets.parameters(), rate))

    def parts(self) -> dict[str, Any]:
        """What a state keeps."""
        nets = self.accelerator.unwrap_model(self.nets)
        return {"crop_judge": nets, "crop_optimizer": self.optimizer}

    def cut(self, images: Tensor, points: Tensor) -> list[Tensor]:
        """Mouths and eyes of images (batch, 3, h, w) with landmarks (batch, 478, 3)."""
        return [crop(images, points, part, self.side) for part in PARTS]

    def pull(self, seen: list[Tensor]) -> Tensor:
        """The generator's loss."""
        nets = self.accelerator.unwrap_model(self.nets)
        nets.requires_grad_(False)
        loss = torch.stack([F.softplus(-logits.float()).mean() for logits in nets(seen)]).mean()
        nets.requires_grad_(True)
        return loss

    def learn(self, real: list[Tensor], fake: list[Tensor]) -> Losses:
        """One step on real and on generated crops."""
        with self.accelerator.autocast():
            both = [torch.cat(pair) for pair in zip(real, fake, strict=True)]
            judged = [logits.float().chunk(2) for logits in self.nets(both)]
        terms = [F.softplus(-a).mean() + F.softplus(b).mean() for a, b in judged]
        loss = torch.stack(terms).mean()
        self.optimizer.zero_grad()
        self.accelerator.backward(loss)
        self.optimizer.step()
        return {"crop judge": loss.detach()}

    def set_rate(self, rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate
