"""What is calculated from a module's weights once, not at every call."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

import torch
from torch import Tensor


class _Kept(NamedTuple):
    sources: tuple[Tensor, ...]
    memory: tuple[Tensor, ...]
    """The same values; as long as they are held, nothing else can lie at their address."""
    state: tuple[tuple[int, int], ...]
    made: tuple[Tensor, ...]


class Remembered:
    """Tensors made from frozen weights of a module, and made again once a weight has changed.

    A weight has changed if another tensor has taken its place, if it was moved or converted, or if
    it was written to. Writing through ``.data`` and batch normalisation in training leave no trace
    in a tensor: ``forget`` then. Weights that require gradients are never remembered.

    Many threads may ask at once. Copies and pickles of a module begin with nothing remembered.
    """

    def __init__(self) -> None:
        self._kept: _Kept | None = None

    def __reduce__(self) -> tuple[type["Remembered"], tuple[()]]:
        return Remembered, ()

    def forget(self) -> None:
        """Makes them anew at the next call."""
        self._kept = None

    def of(
        self, sources: tuple[Tensor, ...], make: Callable[..., tuple[Tensor, ...]]
    ) -> tuple[Tensor, ...]:
        """What ``make`` returns for the sources, called only where it has to be.

        Args:
            sources: the weights.
            make: from the weights to what is remembered.
        """
        if _must_be_seen(sources):
            return make(*sources)
        kept, state = self._kept, tuple(map(_state, sources))
        if kept is None or kept.state != state or not _same(kept.sources, sources):
            # In a caller's inference mode they would become tensors that stop later gradients.
            with torch.inference_mode(False), torch.no_grad():
                memory = tuple(source.detach() for source in sources)
                kept = self._kept = _Kept(sources, memory, state, make(*sources))
        return kept.made


_counted: ContextVar[bool] = ContextVar("counted", default=False)


@contextmanager
def being_counted() -> Iterator[None]:
    """Within it calls run as they are written down: nothing is looked up that others calculate."""
    before = _counted.set(True)
    try:
        yield
    finally:
        _counted.reset(before)


def being_traced() -> bool:
    """Whether calls are written down for an export or a compiler, or their operations counted."""
    tracing: bool = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    return tracing or torch.compiler.is_compiling() or _counted.get()


def _must_be_seen(sources: tuple[Tensor, ...]) -> bool:
    """Whether gradients or a tracer need the calculation itself, or nobody counts changes."""
    return being_traced() or any(each.requires_grad or each.is_inference() for each in sources)


def _state(source: Tensor) -> tuple[int, int]:
    return source.data_ptr(), source._version


def _same(some: tuple[Tensor, ...], others: tuple[Tensor, ...]) -> bool:
    return all(one is other for one, other in zip(some, others, strict=True))
