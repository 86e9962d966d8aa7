"""What the phases' states have in common."""

from typing import Any

import torch
from accelerate import Accelerator

from fiancee_hub.training.state import resume_random


class Resumable:
    """A phase whose state is that of its parts, a step count and a random generator."""

    accelerator: Accelerator
    random: torch.Generator
    steps: int

    def _parts(self) -> dict[str, Any]:
        """Models and optimizers by name, unwrapped."""
        raise NotImplementedError

    def close(self) -> None:
        """Ends the processes that draw batches, which would go on beside the next phase."""
        if (begun := vars(self).pop("batches", None)) is not None:
            begun.close()

    def state(self) -> dict[str, Any]:
        """Everything that resuming needs."""
        return {name: part.state_dict() for name, part in self._parts().items()} | {
            "steps": self.steps,
            "random": self.random.get_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Takes back what ``state`` returned."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.steps = state["steps"]
        resume_random(self.random, state["random"], self.accelerator.process_index)
