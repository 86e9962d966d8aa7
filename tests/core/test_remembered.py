"""What is calculated from weights once is made again whenever they change."""

import copy
import pickle
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from fiancee_hub.core.remembered import Remembered


class Doubled(nn.Module):
    """Remembers twice its weight, and counts how often it calculated that."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.arange(3.0), requires_grad=False)
        self.remembered = Remembered()
        self.calls = 0

    def forward(self) -> Tensor:
        (twice,) = self.remembered.of((self.weight,), self._twice)
        return twice

    def _twice(self, weight: Tensor) -> tuple[Tensor]:
        self.calls += 1
        return (2 * weight,)


def replaced(module: Doubled) -> None:
    module.weight = nn.Parameter(torch.full((3,), 5.0), requires_grad=False)


def written(module: Doubled) -> None:
    with torch.no_grad():
        module.weight.add_(1)


def loaded(module: Doubled) -> None:
    module.load_state_dict({"weight": torch.full((3,), 7.0)})


def exchanged(module: Doubled) -> None:
    module.weight.data = torch.full((3,), 9.0)


def converted(module: Doubled) -> None:
    module.double()


def test_unchanged_weights_are_calculated_with_once() -> None:
    module = Doubled()
    with torch.inference_mode():
        first = module()
    assert module() is first
    assert module.calls == 1
    assert not first.is_inference(), "gradients of other weights could not pass"


@pytest.mark.parametrize("change", [replaced, written, loaded, exchanged, converted])
def test_changed_weights_are_calculated_with_anew(change: Callable[[Doubled], None]) -> None:
    module = Doubled()
    module()
    change(module)
    assert torch.equal(module(), 2 * module.weight)
    assert module().dtype == module.weight.dtype
    assert module.calls == 2


def test_weights_that_learn_are_never_remembered() -> None:
    module = Doubled()
    module()
    module.weight.requires_grad_(True)
    module().sum().backward()
    assert module.weight.grad is not None
    assert torch.equal(module.weight.grad, torch.full((3,), 2.0))
    with torch.no_grad():
        module()
    assert module.calls == 3


def test_weights_made_in_inference_mode_are_calculated_with_anew() -> None:
    module = Doubled()
    with torch.inference_mode():
        module.weight = nn.Parameter(torch.ones(3), requires_grad=False)
        module()
        module.weight.add_(1)
        assert torch.equal(module(), 2 * module.weight)


def test_what_was_forgotten_is_calculated_anew() -> None:
    module = Doubled()
    module()
    module.remembered.forget()
    module()
    assert module.calls == 2


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_remember_for_themselves(copied: Callable[[Doubled], Doubled]) -> None:
    module = Doubled()
    module()
    other = copied(module)
    written(other)
    assert torch.equal(other(), 2 * other.weight)
    assert torch.equal(module(), 2 * module.weight)
    assert module.calls == 1
    assert list(other.state_dict()) == ["weight"]
