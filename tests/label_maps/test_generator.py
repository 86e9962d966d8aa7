"""The OASIS generator: official size, official arithmetic, and the light modulation's folding."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from tiny import CLASSES, EXITS, GENERATOR, GUIDES, SIZE, maps, noise, random_model
from torch import Tensor
from torch.nn import functional as F

from fiancee_hub.core.exits import EarlyExitModel
from fiancee_hub.families.label_maps.generator import OasisGenerator, SharedModulation
from fiancee_hub.hub.info import describe

SPADE = replace(GENERATOR, modulation="spade", hidden=(), channels=(32, 32, 24, 16, 16, 8, 8))


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


@pytest.mark.parametrize(
    ("name", "parameters", "giga_macs"),
    [
        ("oasis-cityscapes", 71.1e6, 318.6),
        ("oasis-ade20k", 74.3e6, 194.4),
        ("oasis-coco", 75.2e6, 204.0),
    ],
)
def test_official_sizes(name: str, parameters: float, giga_macs: float) -> None:
    found = describe(name)
    assert found.parameters == pytest.approx(parameters, abs=0.05e6)
    assert found.macs / 1e9 == pytest.approx(giga_macs, abs=0.05)


def random_generator(**changes: object) -> OasisGenerator:
    random = torch.Generator().manual_seed(1)
    generator = OasisGenerator(replace(SPADE, **changes)).eval()  # type: ignore[arg-type]
    for name, tensor in generator.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2, generator=random)
        elif tensor.is_floating_point():
            tensor.normal_(std=0.15, generator=random)
    return generator


class Published:
    """The published forward pass, written down plainly from the paper's appendix."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        self.weights = weights

    def convolution(self, name: str, values: Tensor) -> Tensor:
        weight, bias = self.weights[f"{name}.weight"], self.weights.get(f"{name}.bias")
        return F.conv2d(values, weight, bias, padding=weight.shape[-1] // 2)

    def spade(self, name: str, values: Tensor, segmentation: Tensor) -> Tensor:
        mean = self.weights[f"{name}.first_norm.running_mean"].view(1, -1, 1, 1)
        variance = self.weights[f"{name}.first_norm.running_var"].view(1, -1, 1, 1)
        resized = F.interpolate(segmentation, size=values.shape[2:], mode="nearest")
        active = self.convolution(f"{name}.mlp_shared", resized).clamp(min=0)
        gamma = self.convolution(f"{name}.mlp_gamma", active)
        beta = self.convolution(f"{name}.mlp_beta", active)
        return (values - mean) / (variance + 1e-5).sqrt() * (1 + gamma) + beta

    def block(self, name: str, values: Tensor, segmentation: Tensor) -> Tensor:
        residual = values
        for index in (0, 1):
            residual = self.spade(f"{name}.norm_{index}", residual, segmentation)
            residual = torch.where(residual > 0, residual, 0.2 * residual)
            residual = self.convolution(f"{name}.conv_{index}", residual)
        if f"{name}.conv_s.weight" in self.weights:
            values = self.spade(f"{name}.norm_s", values, segmentation)
            values = self.convolution(f"{name}.conv_s", values)
        return values + residual

    def __call__(self, one_hot: Tensor, noise_vector: Tensor, blocks: int) -> Tensor:
        height, width = one_hot.shape[2:]
        spatial = noise_vector[:, :, None, None].repeat(1, 1, height, width)
        segmentation = torch.cat([spatial, one_hot], 1)
        start = height // 2 ** (blocks - 1), width // 2 ** (blocks - 1)
        values = self.convolution("head", F.interpolate(segmentation, size=start, mode="nearest"))
        for index in range(blocks):
            values = self.block(f"blocks.{index}", values, segmentation)
            if index < blocks - 1:
                values = values.repeat_interleave(2, 2).repeat_interleave(2, 3)
        values = torch.where(values > 0, values, 0.2 * values)
        return self.convolution("to_rgb", values).tanh()


def test_spade_equals_the_published_forward_pass() -> None:
    generator = random_generator()
    labels, vector = maps(2), noise(2)
    one_hot = F.one_hot(labels.long(), len(CLASSES)).permute(0, 3, 1, 2).float()
    published = Published(generator.state_dict())(one_hot, vector, SPADE.stages)
    image = generator(labels, vector)
    assert image.std() > 0.1
    torch.testing.assert_close(image, published, atol=1e-5, rtol=0)


def test_folded_modulation_equals_the_plain_formula() -> None:
    random = torch.Generator().manual_seed(0)
    modulation = SharedModulation(12, 8).eval()
    modulation.norm.running_mean = torch.randn(12, generator=random)
    modulation.norm.running_var = torch.rand(12, generator=random) + 0.5
    features = torch.randn(2, 12, 9, 7, generator=random)
    embedding = torch.rand(2, 8, 9, 7, generator=random)
    scale, shift = modulation.scale_shift(embedding).chunk(2, 1)
    plain = modulation.norm(features) * (1 + scale) + shift
    torch.testing.assert_close(modulation(features, embedding), plain, atol=1e-5, rtol=1e-5)


def test_what_is_folded_once_follows_the_statistics_of_training() -> None:
    modulation = SharedModulation(4, 8).requires_grad_(False).eval()
    features, embedding = 5 + 3 * torch.randn(4, 4, 8, 8), torch.rand(4, 8, 8, 8)
    before = modulation(features, embedding)
    assert torch.equal(modulation(features, embedding), before)
    modulation.train()(features, embedding)
    after = modulation.eval()(features, embedding)
    scale, shift = modulation.scale_shift(embedding).chunk(2, 1)
    plain = modulation.norm(features) * (1 + scale) + shift
    torch.testing.assert_close(after, plain, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(after, before)


def test_training_mode_normalises_with_the_batch() -> None:
    modulation = SharedModulation(4, 8).train()
    modulation.scale_shift.weight.zero_()
    assert modulation.scale_shift.bias is not None
    modulation.scale_shift.bias.zero_()
    out = modulation(5 + 3 * torch.randn(4, 4, 16, 16), torch.rand(4, 8, 16, 16))
    torch.testing.assert_close(out.mean((0, 2, 3)), torch.zeros(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(out.std((0, 2, 3)), torch.ones(4), atol=1e-2, rtol=0)


def test_maps_one_after_another_share_nothing() -> None:
    generator = random_model().trunk_as(OasisGenerator)
    first, second = maps(2), maps(2).flip(2)
    with torch.inference_mode():
        before = [generator.condition(each, noise(2)) for each in (first, second)]
    for condition, label_map in zip(before, (first, second), strict=True):
        one_hot = F.one_hot(label_map.long(), len(CLASSES)).permute(0, 3, 1, 2)
        labels = generator.labels_at(len(condition.labels), condition)
        assert torch.equal(labels[:, : len(CLASSES)], one_hot.float())
        assert torch.equal(
            labels[:, len(CLASSES), :, 0], torch.linspace(-1, 1, SIZE[0]).expand(2, -1)
        )
        assert torch.equal(
            labels[:, len(CLASSES) + 1, 0], torch.linspace(-1, 1, SIZE[1]).expand(2, -1)
        )
    # What was kept in inference mode lets gradients pass.
    with torch.enable_grad():
        generator(first, noise(2).requires_grad_(True)).mean().backward()


def test_constant_noise_equals_the_same_noise_everywhere() -> None:
    labels, vector = maps(2), noise(2)
    everywhere = vector[:, :, None, None].expand(-1, -1, *SIZE)
    spade = random_generator()
    for model in (spade, random_model().trunk):
        torch.testing.assert_close(
            model(labels, everywhere), model(labels, vector), atol=1e-5, rtol=0
        )


def test_spatial_noise_reaches_branches_too(model: EarlyExitModel) -> None:
    labels, vector = maps(1), noise(1)
    everywhere = vector[:, :, None, None].expand(-1, -1, *SIZE)
    for exit_index in range(1, model.exits + 1):
        torch.testing.assert_close(
            model(labels, everywhere, exit_index=exit_index),
            model(labels, vector, exit_index=exit_index),
            atol=1e-5,
            rtol=0,
        )


def test_branches_fit_an_official_trunk() -> None:
    model = EarlyExitModel(OasisGenerator(SPADE), EXITS, GUIDES).eval()
    progress = model.start(maps(1), noise(1))
    assert model.predict(progress).mean.shape == (1, len(EXITS))
    for exit_index in range(1, model.exits + 1):
        image, progress = model.render(progress, exit_index)
        assert image.shape == (1, 3, *SIZE)


def test_half_size_is_the_same_generator_without_its_last_stage() -> None:
    half = GENERATOR.half_size()
    assert (half.height, half.width) == (SIZE[0] // 2, SIZE[1] // 2)
    assert half.stages == GENERATOR.stages - 1
    assert half.stage_size(0) == GENERATOR.stage_size(0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_stages_see_the_share_of_every_class_and_their_own_coordinates(dtype: torch.dtype) -> None:
    ids, classes = maps(2), len(CLASSES)
    condition = random_model().trunk_as(OasisGenerator).condition(ids, noise(2).to(dtype))
    expected = F.one_hot(ids.long(), classes).permute(0, 3, 1, 2).float()
    for labels in reversed(condition.labels):
        expected = F.avg_pool2d(expected, 2).to(dtype).float()
        assert labels.dtype == dtype and torch.equal(labels[:, :classes].float(), expected)
        assert labels[0, classes:, 0, 0].tolist() == [-1, -1]
        assert labels[0, classes:, -1, -1].tolist() == [1, 1]
