"""What the page knows of a checkpoint's network: its stages, its branches, its usual distances."""

import json
from dataclasses import dataclass
from threading import Lock
from weakref import WeakKeyDictionary

from fiancee_hub.core.cost import Costs
from fiancee_hub.rendering import Painter
from space import texts
from space.result import scale
from space.result.scale import Level

EVALUATION = "evaluation.json"


@dataclass(frozen=True)
class Network:
    """The chain that the page draws.

    Args:
        stages: of the trunk.
        leaves: after which stage each branch leaves, cheapest exit first.
        thickness: of each branch, 1 is the trunk's.
        widths: share of the control's length for each of ``scale.BUDGETS``.
        noun: what the input is called: street, face …
        shares: cost of every exit, 1 is full depth's.
    """

    stages: int
    leaves: tuple[int, ...]
    thickness: tuple[float, ...]
    widths: tuple[float, ...]
    noun: str = "picture"
    shares: tuple[float, ...] = ()

    @property
    def exits(self) -> int:
        return len(self.leaves) + 1

    def stages_of(self, exit_index: int) -> int:
        """Stages of the trunk that an exit needs."""
        return self.stages if exit_index == self.exits else self.leaves[exit_index - 1]


_known: WeakKeyDictionary[Painter, Network] = WeakKeyDictionary()
_lock = Lock()


def network_of(pipeline: Painter) -> Network:
    """The network of a pipeline; read once."""
    with _lock:
        if pipeline not in _known:
            _known[pipeline] = _read(pipeline)
        return _known[pipeline]


def _read(pipeline: Painter) -> Network:
    config = pipeline.config  # Not the model: it may not be loaded yet.
    exits, macs = config.exits, prices(config.costs)
    return Network(
        config.generator.stages,
        tuple(one.stage for one in exits),
        tuple(1 / one.scale_factor for one in exits),
        scale.widths(_levels(pipeline)),
        texts.find("noun", config.domain.name, config.family).strip(),
        tuple(one / macs[-1] for one in macs),
    )


def _levels(pipeline: Painter) -> list[Level]:
    """Distances of the early exits as evaluated; none where the checkpoint has no evaluation."""
    path = pipeline.loaded_from and pipeline.loaded_from / EVALUATION
    try:
        exits = json.loads(path.read_text(encoding="utf-8"))["exits"] if path else []
        early = exits[: len(pipeline.config.exits)]
        return [(float(one["lpips_mean"]), float(one["lpips_p90"])) for one in early]
    except (OSError, ValueError, KeyError, TypeError):
        return []  # It only spreads the control.


def prices(costs: Costs) -> tuple[int, ...]:
    """MACs of every exit as the page states them: early ones pay for the predictor."""
    early = range(1, len(costs.exits))
    return (*(costs.routed(index) for index in early), costs.full_depth)
