"""Batches drawn ahead, by processes of their own: an accelerator would wait for them."""

from collections.abc import Callable, Generator, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from fiancee_hub.core.nested import each_tensor

Draw = Callable[[torch.Generator], Any]
"""Makes a batch: (nested tuples and dicts of) tensors."""


class _Endless(IterableDataset[Any]):
    """Draws without end, in every worker with random numbers of its own."""

    def __init__(self, draw: Draw, seed: int) -> None:
        self.draw, self.seed = draw, seed

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        assert worker is not None
        random = torch.Generator().manual_seed(self.seed + worker.id)
        while True:
            yield self.draw(random)


def batches(draw: Draw, random: torch.Generator, workers: int) -> Generator[Any]:
    """What ``draw`` returns, again and again.

    Args:
        draw: makes a batch with the generator's random numbers.
        random: used as it is, or for the seeds of the workers.
        workers: processes that draw, until the generator is closed; with 0 this process draws,
            when a batch is asked for.
    """
    if not workers:
        while True:
            yield draw(random)
    seed = int(torch.randint(2**31, (), generator=random))
    # Forked, so that all share the pictures in memory.
    loader = DataLoader(
        _Endless(draw, seed),
        batch_size=None,
        collate_fn=_Drawn,
        num_workers=workers,
        multiprocessing_context="fork",
        pin_memory=torch.cuda.is_available(),
    )
    for drawn in loader:
        yield drawn.batch


class _Drawn:
    """Keeps a batch as it is: the loader itself would make lists of tuples."""

    def __init__(self, batch: Any) -> None:
        self.batch = batch

    def pin_memory(self) -> "_Drawn":
        """What the loader asks for: memory that an accelerator reads without waiting."""
        return _Drawn(each_tensor(self.batch, Tensor.pin_memory))
