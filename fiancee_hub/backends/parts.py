"""A model cut into graphs that resume: encoder, condition, predictor, stages, guides, branches.

Every part takes and returns plain tensors, so that one that ran is never run again: exit k + 1
goes on from the features that exit k left.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fiancee_hub.core.exits import EarlyExitModel, Trunk
from fiancee_hub.core.guides import RegionBank
from fiancee_hub.core.nested import each_tensor
from fiancee_hub.core.perceptual import PerceptualDistance

PREDICTION = ("lpips-mean", "lpips-spread")
"""Outputs of the predictor's graph."""


def leaves(value: Any) -> list[Tensor]:
    """Every tensor of nested (named) tuples, in order."""
    found: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        found.append(tensor)
        return tensor

    each_tensor(value, keep)
    return found


def rebuilt(like: Any, tensors: Iterator[Tensor]) -> Any:
    """``like`` with its tensors replaced, in order."""
    return each_tensor(like, lambda _: next(tensors))


@dataclass(frozen=True)
class Part:
    """One graph to be.

    Args:
        name: such as ``stage-1`` or ``branch-2``; also of its file.
        module: takes and returns plain tensors, one after another.
        inputs: example inputs by name; a name says whose output it is.
        outputs: their names.
    """

    name: str
    module: nn.Module
    inputs: dict[str, Tensor]
    outputs: tuple[str, ...]


class _Call(nn.Module):
    """A function of a model as a module that exporters can trace."""

    def __init__(self, model: nn.Module, call: Callable[..., Any]) -> None:
        super().__init__()
        self.model = model
        self.call = call

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(leaves(self.call(*tensors)))


@torch.no_grad()
def parts(model: EarlyExitModel) -> list[Part]:
    """All graphs of a model, in the order in which full depth meets them."""
    trunk = model.trunk
    # Two images: exporters take a batch of one for a constant.
    unread = each_tensor(
        trunk.example_inputs(encoded=False), lambda tensor: torch.cat([tensor, tensor])
    )
    inputs = trunk.read_ahead(*unread)
    condition = trunk.condition(*inputs)
    given = {f"input-{i}": tensor for i, tensor in enumerate(leaves(inputs))}
    shared = {f"condition-{i}": tensor for i, tensor in enumerate(leaves(condition))}

    def with_condition(call: Callable[..., Any], before: int = 1) -> Callable[..., Any]:
        """``call`` with the condition put together from the tensors after the first ones."""

        def on_tensors(*tensors: Tensor) -> Any:
            return call(*tensors[:before], rebuilt(condition, iter(tensors[before:])))

        return on_tensors

    def make(name: str, call: Callable[..., Any], given: dict[str, Tensor], *outputs: str) -> Part:
        return Part(name, _Call(model, call).eval(), given, outputs)

    def start(*tensors: Tensor) -> Any:
        return trunk.condition(*rebuilt(inputs, iter(tensors)))

    found = [*_encoder(trunk, unread, given, make), make("condition", start, given, *shared)]
    if model.predictor is not None:

        def predict(condition: Any) -> Any:
            assert model.predictor is not None
            return tuple(model.predictor(*trunk.predictor_inputs(condition)))

        found.append(make("predictor", with_condition(predict, 0), shared, *PREDICTION))
    features: list[Tensor] = []
    for index in range(trunk.stages):
        found.append(_stage(model, index, features, condition, shared, make, with_condition))
        before = features[-1] if features else None
        features.append(trunk.stage(index, before, condition))
    found.append(
        make(
            "image",
            with_condition(trunk.to_image),
            {f"features-{trunk.stages}": features[-1]} | shared,
            "image",
        )
    )
    return found + _branches(model, features, shared, make, with_condition)


@torch.no_grad()
def distance_part(model: EarlyExitModel) -> Part:
    """LPIPS between two pictures of the model's size, (batch, 3, height, width) in [-1, 1]."""
    progress = model.start(*model.trunk.example_inputs())
    image, _ = model.render(progress, model.exits)
    images = torch.cat([image, image])
    inputs = {"first": images, "second": images.clone()}
    distance = PerceptualDistance()
    module = _Call(distance, lambda *pair: (distance(*pair),)).eval()
    return Part("lpips", module, inputs, ("distance",))


def _encoder(
    trunk: Trunk, unread: tuple[Any, ...], given: dict[str, Tensor], make: Callable[..., Part]
) -> list[Part]:
    """What reads ahead, if anything does: from some inputs of the condition to its others."""
    names = {id(tensor): name for name, tensor in given.items()}
    entering = leaves(unread)
    made = [name for name, tensor in given.items() if all(tensor is not t for t in entering)]
    if not made:
        return []

    def read(*tensors: Tensor) -> Any:
        read_ahead = leaves(trunk.read_ahead(*rebuilt(unread, iter(tensors))))
        return tuple(tensor for name, tensor in zip(given, read_ahead, strict=True) if name in made)

    return [make("encoder", read, {names[id(tensor)]: tensor for tensor in entering}, *made)]


def _stage(
    model: EarlyExitModel,
    index: int,
    features: list[Tensor],
    condition: Any,
    shared: dict[str, Tensor],
    make: Callable[..., Part],
    with_condition: Callable[..., Callable[..., Any]],
) -> Part:
    name, leaving = f"stage-{index + 1}", f"features-{index + 1}"
    if not index:
        first = with_condition(lambda condition: model.trunk.stage(0, None, condition), 0)
        return make(name, first, shared, leaving)
    later = with_condition(lambda before, condition: model.trunk.stage(index, before, condition))
    return make(name, later, {f"features-{index}": features[-1]} | shared, leaving)


def _guides(
    model: EarlyExitModel,
    features: list[Tensor],
    shared: dict[str, Tensor],
    make: Callable[..., Part],
    with_condition: Callable[..., Callable[..., Any]],
) -> Part:
    guides = model.guides
    if isinstance(guides, RegionBank):
        by_region = with_condition(lambda condition: guides(model.trunk.regions(condition))[0], 0)
        return make("guides", by_region, shared, "guide")
    assert guides is not None
    return make("guides", lambda first: guides(first).values, {"features-1": features[0]}, "guide")


def _branches(
    model: EarlyExitModel,
    features: list[Tensor],
    shared: dict[str, Tensor],
    make: Callable[..., Part],
    with_condition: Callable[..., Callable[..., Any]],
) -> list[Part]:
    found, guide = [], {}
    if model.guides is not None:
        found.append(_guides(model, features, shared, make, with_condition))
        guide = {"guide": found[-1].module(*found[-1].inputs.values())[0]}
    for number, exit_config in enumerate(model.exit_configs, 1):
        branch = model.branches[number - 1]
        stage = exit_config.stage
        if not stage:
            first = with_condition(
                lambda condition, branch=branch: branch(None, condition, None), 0
            )
            found.append(make(f"branch-{number}", first, shared, "image"))
            continue
        entering = {f"features-{stage}": features[stage - 1]} | guide

        def render(*tensors: Any, branch: nn.Module = branch) -> Any:
            before, *values, condition = tensors
            return branch(before, condition, values[0] if values else None)

        call = with_condition(render, len(entering))
        found.append(make(f"branch-{number}", call, entering | shared, "image"))
    return found
