"""Phase 2: the guide bank, filled once from training maps (FIANCEE, arXiv 2304.10306)."""

import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from fiancee_hub.models.exits import EarlyExitModel
from fiancee_hub.models.guides import KEY_CELLS, GuideBank, value_of


@torch.inference_mode()
def fill_guides(model: EarlyExitModel, label_maps: Tensor, seed: int = 0) -> None:
    """Fills the bank of ``model`` in place: keys from stage l1, values from full depth.

    Args:
        model: its trunk must be trained.
        label_maps: one training map for each entry, uint8 (entries, height, width).
        seed: of the entries' noise.
    """
    bank = model.guides
    assert isinstance(bank, GuideBank)
    device = bank.keys.device
    random = torch.Generator().manual_seed(seed)
    noise_channels = model.trunk.predictor_shape()[1]
    shape = tuple(bank.values.shape[1:])
    descriptors, values = [], []
    for label_map in tqdm(label_maps, desc="guide bank"):
        noise = torch.randn(1, noise_channels, generator=random).to(device)
        image, progress = model.render(model.start(label_map[None].to(device), noise), model.exits)
        pooled = F.adaptive_avg_pool2d(progress.features[0].float(), KEY_CELLS)
        descriptors.append(pooled.flatten(1))
        values.append(value_of(image.float(), shape))  # type: ignore[arg-type]
    described = torch.cat(descriptors)
    bank.centre.copy_(described.mean(0))
    bank.keys.copy_(F.normalize(described - bank.centre, dim=1))
    bank.values.copy_(torch.cat(values))


def spread_out(label_maps: Tensor, entries: int) -> Tensor:
    """Indices of ``entries`` maps evenly spread over the list (neighbours look alike)."""
    return torch.linspace(0, len(label_maps) - 1, entries).round().long()
