"""Sampling a volume: the forms for export and for a processor are the same as torch's own."""

from pathlib import Path
from typing import Any

import pytest
import tiny_faces
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fiancee_hub.families.faces.warps import (
    SMOOTHNESS,
    _kernel,
    eliminated_spline,
    pixel_centres,
    sample_slices,
    sample_volume,
    solved_spline,
    thin_plate_flow,
)


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
        assert torch.equal(sample_volume(volume.requires_grad_(), grid), expected)
        assert torch.allclose(sample_slices(volume, grid), expected, atol=1e-5)


def test_cells_give_what_the_volume_gives() -> None:
    for seed in range(5):
        volume, grid = example(seed)
        expected = F.grid_sample(volume, grid, padding_mode="border", align_corners=False)
        assert torch.allclose(sample_volume(volume, grid), expected, atol=1e-5)
        flat = volume[:, :, :1, :, :1]
        expected = F.grid_sample(flat, grid, padding_mode="border", align_corners=False)
        assert torch.allclose(sample_volume(flat, grid), expected, atol=1e-5)


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
    # The spline is eliminated there, and differs in the last bits.
    assert ((found - expected).abs().max() * 127.5).item() < 0.2


NEAR = 0.05 / 128
"""A twentieth of a pixel: elimination in float32 differs by a third of that between processors."""


class Spline(nn.Module):
    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        return thin_plate_flow(source, target, *2 * [pixel_centres(6, target)])


def spline_points(seed: int, count: int = 30) -> tuple[Tensor, Tensor]:
    """Control points of two heads, two of them in one place."""
    random = torch.Generator().manual_seed(seed)
    target = torch.rand(2, count, 2, generator=random) * 1.8 - 0.9
    target[:, 1] = target[:, 0]
    return target + 0.1 * torch.randn(2, count, 2, generator=random), target


@pytest.mark.parametrize("seed", range(3))
def test_elimination_gives_the_spline_that_solving_gives(seed: int) -> None:
    source, target = (points.double() for points in spline_points(seed))
    plane = torch.cat([torch.ones_like(target[..., :1]), target], 2)
    kernel = _kernel(target, target) + SMOOTHNESS * torch.eye(30, dtype=torch.float64)
    solved = solved_spline(kernel, plane, source - target)
    torch.testing.assert_close(eliminated_spline(kernel, plane, source - target), solved)


def test_an_exported_spline_solves_no_equations() -> None:
    points = spline_points(0, 12)
    exported: Any = torch.export.export(Spline(), points)
    assert not [node for node in exported.graph.nodes if "linalg" in str(node.target)]
    found = exported.module()(*points)
    torch.testing.assert_close(found, Spline()(*points), atol=NEAR, rtol=0)


def test_a_spline_of_a_graph_is_a_number_everywhere(tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    points = spline_points(0, 12)

    program = torch.onnx.export(
        Spline().eval(), points, input_names=["source", "target"], dynamo=True, verbose=False
    )
    assert program is not None
    program.save(tmp_path / "spline.onnx")
    graph = runtime.InferenceSession(tmp_path / "spline.onnx")
    given = {entry.name: p.numpy() for entry, p in zip(graph.get_inputs(), points, strict=True)}
    (found,) = graph.run(None, given)
    expected = Spline()(*points)
    torch.testing.assert_close(torch.from_numpy(found), expected, atol=NEAR, rtol=0)
