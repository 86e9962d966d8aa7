"""Sampling a volume: the form for export is the same as torch's own."""

from typing import Any

import pytest
import tiny_faces
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fiancee_hub.families.faces.warps import sample_slices, sample_volume


def example(seed: int = 0) -> tuple[Tensor, Tensor]:
    """A volume, and a grid that reaches beyond it on all sides and hits its middle planes."""
    random = torch.Generator().manual_seed(seed)
    volume = torch.randn(2, 3, 4, 6, 5, generator=random)
    grid = torch.rand(2, 5, 7, 8, 3, generator=random) * 3 - 1.5
    grid[0, 0] = (grid[0, 0] * 2).round() / 2
    return volume, grid


def test_slices_give_what_the_volume_gives() -> None:
    for seed in range(5):
        volume, grid = example(seed)
        expected = F.grid_sample(volume, grid, padding_mode="border", align_corners=False)
        assert torch.equal(sample_volume(volume, grid), expected)
        assert torch.allclose(sample_slices(volume, grid), expected, atol=1e-5)


def test_an_exported_model_samples_planes_only() -> None:
    class Sampling(nn.Module):
        def forward(self, volume: Tensor, grid: Tensor) -> Tensor:
            return sample_volume(volume, grid)

    volume, grid = example()
    exported: Any = torch.export.export(Sampling(), (volume, grid))
    sampled = [
        node.meta["val"] for node in exported.graph.nodes if "grid_sampler" in str(node.target)
    ]
    assert len(sampled) == 4 and all(value.dim() == 4 for value in sampled)
    assert torch.allclose(exported.module()(volume, grid), sample_volume(volume, grid), atol=1e-5)


def test_pictures_stay_the_same_to_the_grey_level(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_faces.random_model()
    pictures, sources, targets = tiny_faces.inputs(1)
    trunk: Any = model.trunk
    appearance = trunk.encode(pictures, sources)

    def rendered() -> Tensor:
        progress = model.start(appearance, sources, targets)
        return model.render(model.advance(progress, model.stages_of(model.exits)), model.exits)[0]

    expected = rendered()
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    found = rendered()
    assert ((found - expected).abs().max() * 127.5).item() < 0.01
