"""The last convolution of a branch: sums that are looked up are those of the convolution."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import CLASSES, GENERATOR, SIZE, maps
from torch import Tensor
from torch.nn import functional as F

from fiancee_hub.families.label_maps.cells import folded, one_hot_cells
from fiancee_hub.families.label_maps.painting import Painting

FEATURES, GUIDE, CLASS_COUNT = 5, 12, len(CLASSES)
HALF = SIZE[0] // 2, SIZE[1] // 2


def painting(*, coordinates: bool = True, guide: int = GUIDE) -> Painting:
    labels = CLASS_COUNT + 2 * coordinates
    return Painting(FEATURES, labels, guide, GENERATOR).eval().requires_grad_(False)


def seen(labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    cells = folded(labels.float())
    random = torch.Generator().manual_seed(3)
    features, guide = (
        torch.randn(len(labels), channels, *HALF, generator=random)
        for channels in (FEATURES, GUIDE)
    )
    return features, cells, guide


def by_convolution(layer: Painting, features: Tensor, cells: Tensor, *guide: Tensor) -> Tensor:
    labels = one_hot_cells(cells, CLASS_COUNT, coordinates=layer.labels > CLASS_COUNT)
    together = torch.cat([features, labels, *guide], 1)
    return F.pixel_shuffle(F.conv2d(together, layer.weight, layer.bias, padding=1), 2)


def patches(colours: list[int], places: list[tuple[int, int]]) -> Tensor:
    """A map of rectangles of even and odd size, some a pixel wide, some over the edge."""
    found = torch.zeros(1, *SIZE, dtype=torch.long)
    for colour, (row, column) in zip(colours, places, strict=False):
        found[:, row : row + 1 + row % 9, column : column + 1 + column % 14] = colour
    return found


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.integers(0, CLASS_COUNT - 1), min_size=12, max_size=12),
    st.lists(st.tuples(st.integers(0, SIZE[0] - 1), st.integers(0, SIZE[1] - 1)), max_size=12),
)
def test_it_is_the_convolution(colours: list[int], places: list[tuple[int, int]]) -> None:
    layer, given_ = painting(), seen(patches(colours, places))
    torch.testing.assert_close(layer(*given_), by_convolution(layer, *given_))


@pytest.mark.parametrize("coordinates", [True, False])
@pytest.mark.parametrize("guided", [True, False])
def test_every_picture_of_a_batch_has_its_own_map(coordinates: bool, guided: bool) -> None:
    """Three maps of noise: no window holds one class only."""
    layer = painting(coordinates=coordinates, guide=GUIDE if guided else 0)
    features, cells, guide = seen(maps(3))
    found = layer(features, cells, guide if guided else None)
    expected = by_convolution(layer, features, cells, *[guide] * guided)
    torch.testing.assert_close(found, expected)


def test_it_follows_its_weights() -> None:
    layer, given_ = painting(), seen(maps(1))
    layer(*given_)
    assert layer.bias is not None
    layer.weight.mul_(-2)
    layer.bias.add_(1)
    torch.testing.assert_close(layer(*given_), by_convolution(layer, *given_))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_types_are_convolved(dtype: torch.dtype) -> None:
    layer = painting().to(dtype)
    given_ = [part.to(dtype) for part in seen(maps(1))]
    found = layer(*given_)
    assert found.dtype == dtype
    torch.testing.assert_close(found, by_convolution(layer, *given_))


def test_it_can_be_trained() -> None:
    """What looks sums up has no gradients."""
    layer = painting().requires_grad_(True)
    features, cells, guide = seen(maps(1))
    layer(features.requires_grad_(), cells, guide).sum().backward()
    for leaf in (features, layer.weight):
        assert leaf.grad is not None and bool(leaf.grad.abs().any())


def test_gradients_pass_through_fixed_weights() -> None:
    """A branch may be held while something before it learns."""
    layer = painting()
    features, cells, guide = seen(maps(1))
    layer(features.requires_grad_(), cells, guide).sum().backward()
    slow = painting()
    slow.load_state_dict(layer.state_dict())
    again = features.detach().clone().requires_grad_()
    by_convolution(slow, again, cells, guide).sum().backward()
    torch.testing.assert_close(features.grad, again.grad)
