"""Tensors in nested (named) tuples, lists and dicts: conditions, inputs, batches."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor


def each_tensor(value: Any, change: Callable[[Tensor], Any]) -> Any:
    """``change`` applied to every tensor; what is none stays."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, dict):
        return {name: each_tensor(item, change) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return _like(value, (each_tensor(item, change) for item in value))
    return value


def joined(values: Sequence[Any]) -> Any:
    """Values of one structure, their tensors joined along the batch.

    What is no tensor is the same in all of them.
    """
    first = values[0]
    if isinstance(first, Tensor):
        return torch.cat(list(values))
    if isinstance(first, dict):
        return {name: joined([value[name] for value in values]) for name in first}
    if isinstance(first, tuple | list):
        return _like(first, (joined(column) for column in zip(*values, strict=True)))
    return first


def _like(sequence: tuple[Any, ...] | list[Any], items: Iterable[Any]) -> Any:
    """``items`` in the type of ``sequence``, a named tuple's too."""
    kind: Any = type(sequence)
    return kind(*items) if hasattr(sequence, "_fields") else kind(items)
