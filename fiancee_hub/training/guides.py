"""Phase 2: the guide bank, filled once from training inputs (FIANCEE, arXiv 2304.10306)."""

from operator import itemgetter

import torch
from torch.nn import functional as F
from tqdm import tqdm

from fiancee_hub.core.exits import EarlyExitModel
from fiancee_hub.core.guides import KEY_CELLS, GuideBank, value_of
from fiancee_hub.core.nested import each_tensor
from fiancee_hub.training.task import Inputs


@torch.inference_mode()
def fill_guides(model: EarlyExitModel, inputs: Inputs) -> None:
    """Fills the bank of ``model`` in place: keys from stage l1, values from full depth.

    Args:
        model: its trunk must be trained.
        inputs: one training input for each entry of the bank.
    """
    bank = model.guides
    assert isinstance(bank, GuideBank)
    device = bank.keys.device
    shape = tuple(bank.values.shape[1:])
    descriptors, values = [], []
    for row in tqdm(range(len(bank.keys)), desc="guide bank"):
        one = each_tensor(inputs, itemgetter(slice(row, row + 1)))
        one = each_tensor(one, lambda tensor: tensor.to(device))
        image, progress = model.render(model.start(*one), model.exits)
        pooled = F.adaptive_avg_pool2d(progress.features[0].float(), KEY_CELLS)
        descriptors.append(pooled.flatten(1))
        values.append(value_of(image.float(), shape))  # type: ignore[arg-type]
    described = torch.cat(descriptors)
    bank.centre.copy_(described.mean(0))
    bank.keys.copy_(F.normalize(described - bank.centre, dim=1))
    bank.values.copy_(torch.cat(values))
