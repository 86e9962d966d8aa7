"""What users of the toy family call."""

from collections.abc import Sequence

import torch

from fiancee_hub.core.errors import InputError
from fiancee_hub.pipeline import FianceePipeline
from fiancee_hub.rendering import Rendering, compare
from fiancee_hub.results import Comparison, Result


class ToyPipeline(FianceePipeline):
    """A colour (0 to 1 each) and a size in, a disc out."""

    @torch.inference_mode()
    def prepare(self, colour: Sequence[float], *, size: float = 0.5) -> Rendering:
        if len(colour) != 3:
            raise InputError("a colour has three numbers: give red, green and blue")
        vector = torch.tensor([[*(2 * part - 1 for part in colour), size]])
        return Rendering(self, (vector,), 0, ())

    def __call__(
        self,
        colour: Sequence[float],
        *,
        size: float = 0.5,
        budget: float = 0.1,
        exit: int | None = None,
    ) -> Result:
        rendering = self.prepare(colour, size=size)
        return rendering.deliver(budget) if exit is None else rendering.result(exit)

    def compare(
        self, colour: Sequence[float], *, size: float = 0.5, budget: float = 0.1
    ) -> Comparison:
        return compare(self.prepare(colour, size=size), budget)
