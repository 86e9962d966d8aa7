"""What runs stages and branches in place of eager PyTorch, each made when it is first needed.

What comes before them (condition, predictor, guide look-up) stays eager and float32 on every
backend, so that the same input and seed take the same exit.
"""

from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import Any, Protocol

import torch
from torch import Tensor

from fiancee_hub.backends.parts import Part, leaves, parts
from fiancee_hub.core.errors import InputError
from fiancee_hub.core.exits import EarlyExitModel
from fiancee_hub.core.placing import CPU
from fiancee_hub.core.precision import full_precision


class Unit(Protocol):
    """One part of a model, ready to run; many threads may run it at once."""

    def run(self, inputs: list[Tensor]) -> Tensor:
        """From the part's inputs, all of them in its order, to its only output."""


class UnitRunner:
    """Runs the parts of a model in another runtime.

    Weights are read when a part is first needed; a model that changes later needs a new runner.

    Args:
        model: float32, on the CPU.
        make: from a part to what runs it.
    """

    def __init__(self, model: EarlyExitModel, make: Callable[[Part], Unit]) -> None:
        self._model, self._make = model, make
        self._parts: dict[str, Part] = {}
        self._units: dict[str, Unit] = {}
        self._lock = Lock()

    def run_stage(self, index: int, features: Tensor | None, condition: Any) -> Tensor:
        return self._run(f"stage-{index + 1}", features, *leaves(condition))

    def run_image(self, features: Tensor, condition: Any) -> Tensor:
        return self._run("image", features, *leaves(condition))

    def run_branch(
        self, exit_index: int, features: Tensor | None, condition: Any, guide: Tensor | None
    ) -> Tensor:
        return self._run(f"branch-{exit_index}", features, guide, *leaves(condition))

    def _run(self, name: str, *inputs: Tensor | None) -> Tensor:
        return self._unit(name).run([tensor for tensor in inputs if tensor is not None])

    def _unit(self, name: str) -> Unit:
        with self._lock:
            if name not in self._units:
                # Tensors of a caller's inference mode cannot be traced, tracers make constants on
                # the caller's default device, and a graph outlives the autocast of the call that it
                # was first needed in.
                with torch.inference_mode(False), torch.no_grad(), full_precision(CPU), CPU:
                    if not self._parts:
                        self._parts = {part.name: part for part in parts(self._model)}
                    self._units[name] = self._make(self._parts[name])
            return self._units[name]


class CompiledRunner:
    """Runs the stages and branches of a model through ``torch.compile``.

    Args:
        model: wherever it is, in whichever type.
    """

    def __init__(self, model: EarlyExitModel) -> None:
        self._model = model
        self._compiled: dict[str, Callable[..., Tensor]] = {}
        self._lock = Lock()

    def run_stage(self, index: int, features: Tensor | None, condition: Any) -> Tensor:
        call = partial(self._model.trunk.stage, index)
        return self._run(f"stage-{index + 1}", call, features, condition)

    def run_image(self, features: Tensor, condition: Any) -> Tensor:
        return self._run("image", self._model.trunk.to_image, features, condition)

    def run_branch(
        self, exit_index: int, features: Tensor | None, condition: Any, guide: Tensor | None
    ) -> Tensor:
        branch = self._model.branches[exit_index - 1]
        return self._run(f"branch-{exit_index}", branch.forward, features, condition, guide)

    def _run(self, name: str, call: Callable[..., Tensor], *inputs: Any) -> Tensor:
        with self._lock:
            compiled = self._compiled.setdefault(name, torch.compile(call))
        try:
            return compiled(*inputs)
        # Every version of torch has errors of its own for a compiler that is missing or fails.
        except Exception as error:
            reason = str(error).strip().partition("\n")[0].rstrip(".")
            raise InputError(
                f"torch.compile failed ({reason}): load the checkpoint with backend='eager'"
            ) from error
