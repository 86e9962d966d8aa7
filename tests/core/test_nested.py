"""Tensors in nested structures."""

from typing import NamedTuple

import torch
from torch import Tensor

from fiancee_hub.core.nested import each_tensor, joined


class Pair(NamedTuple):
    left: Tensor
    right: Tensor | None


def batch(value: float) -> dict[str, object]:
    tensor = torch.full((2, 3), value)
    return {"pair": Pair(tensor, None), "rest": (1, [tensor, "name"])}


def test_structures_keep_their_types() -> None:
    found = each_tensor(batch(1), lambda tensor: tensor.sum().item())
    assert found == {"pair": Pair(6.0, None), "rest": (1, [6.0, "name"])}  # type: ignore[arg-type]
    assert type(found["pair"]) is Pair


def test_batches_are_joined_in_order() -> None:
    found = joined([batch(1), batch(2)])
    assert type(found["pair"]) is Pair and found["pair"].right is None
    expected = torch.tensor([1.0, 1, 2, 2])[:, None].expand(4, 3)
    assert torch.equal(found["pair"].left, expected)
    assert found["rest"][0] == 1 and found["rest"][1][1] == "name"
    assert torch.equal(found["rest"][1][0], expected)
