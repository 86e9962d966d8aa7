"""Our own data sets: what training and evaluation on them need beyond what a checkpoint carries.

A data set of one's own needs nothing here: its folder says it all.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

_KNOWN = {
    "label_maps": ("fiancee_hub.domains.streets.data",),
    "faces": ("fiancee_hub.domains.faces",),
}
"""Modules with a ``DOMAIN`` for each family."""

_PREPARERS = {
    "streets": ("fiancee_hub.domains.streets.prepare", "prepare_streets"),
    "facades": ("fiancee_hub.domains.facades.prepare", "prepare_facades"),
    "faces": ("fiancee_hub.families.faces.training.prepare", "prepare_faces"),
}


def of_family(family: str) -> tuple[Any, ...]:
    """What we know of a family's data sets, as its training and evaluation take it."""
    return tuple(import_module(module).DOMAIN for module in _KNOWN.get(family, ()))


def prepared_names() -> tuple[str, ...]:
    """Names of the data sets that we can bring together from their sources."""
    return tuple(_PREPARERS)


def preparer(name: str) -> Callable[[Path, Path], object]:
    """Brings a data set of ours from a folder of its sources into the layout of its family."""
    module, function = _PREPARERS[name]
    found: Callable[[Path, Path], object] = getattr(import_module(module), function)
    return found
