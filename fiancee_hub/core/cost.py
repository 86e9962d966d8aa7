"""Operations of every exit, counted from the modules themselves on tensors without storage."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from fiancee_hub.core.exits import EarlyExitModel
from fiancee_hub.core.remembered import being_counted


@dataclass(frozen=True)
class Costs:
    """Multiply-accumulates per image, everything counted that a call executes.

    Args:
        exits: MACs of each exit, full depth last, without predictor.
        predictor: MACs of the predictor.
        guides: MACs of the guide look-up (part of every branch's cost).
        parameters: weights of trunk, branches and predictor (the guide bank is data).
        encoder: MACs of reading a source once, for families that do; not part of ``exits``.
    """

    exits: tuple[int, ...]
    predictor: int
    guides: int
    parameters: int
    encoder: int = 0

    @property
    def full_depth(self) -> int:
        return self.exits[-1]

    @property
    def overhead_ratio(self) -> float:
        """Predictor and guide look-up relative to full depth."""
        return (self.predictor + self.guides) / self.full_depth

    def routed(self, exit_index: int) -> int:
        """MACs of a routed call: the predictor and the exit it chose (1 … K)."""
        return self.predictor + self.exits[exit_index - 1]

    def ratio(self, exit_index: int) -> float:
        """``routed`` relative to full depth alone."""
        return self.routed(exit_index) / self.full_depth


def macs(call: Callable[[], object]) -> int:
    """Multiply-accumulates of the convolutions and matrix products that ``call`` executes.

    Sums that a processor looks up count as the convolution that they stand for.
    """
    with FlopCounterMode(display=False) as counter, torch.no_grad(), being_counted():
        call()
    return counter.get_total_flops() // 2


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def on_meta(model: nn.Module) -> nn.Module:
    """A copy of ``model`` whose tensors have shapes but no storage."""
    return copy.deepcopy(model).to("meta").eval()


def count(model: EarlyExitModel) -> Costs:
    """Counts every exit of ``model`` for one image."""
    meta = _model_on_meta(model)
    with torch.device("meta"):
        on = meta.trunk.example_inputs()
        unread = meta.trunk.example_inputs(encoded=False)
    exits = tuple(
        macs(lambda index=index: meta.render(meta.start(*on), index))  # type: ignore[misc]
        for index in range(1, meta.exits + 1)
    )
    progress = meta.advance(meta.start(*on), 1)
    return Costs(
        exits,
        macs(lambda: meta.predict(progress)) if meta.predictor is not None else 0,
        macs(lambda: meta.look_up(progress)),
        parameters(model),
        macs(lambda: meta.start(*unread)) - macs(lambda: meta.start(*on)),
    )


def onward(model: EarlyExitModel) -> tuple[tuple[int, ...], ...]:
    """MACs of going deeper. Exits resume: what is not rendered yet is all that is paid.

    Returns:
        for each exit but the last, what every later exit costs once it has been rendered.
    """
    meta = _model_on_meta(model)
    with torch.device("meta"):
        start = meta.start(*meta.trunk.example_inputs())
    rows = []
    for shown in range(1, meta.exits):
        with torch.no_grad():
            _, progress = meta.render(start, shown)
        later = range(shown + 1, meta.exits + 1)
        rows.append(tuple(macs(partial(meta.render, progress, index)) for index in later))
    return tuple(rows)


def _model_on_meta(model: EarlyExitModel) -> EarlyExitModel:
    meta = on_meta(model)
    assert isinstance(meta, EarlyExitModel)
    return meta
