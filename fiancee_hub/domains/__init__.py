"""Our own data sets: what training and evaluation on them need beyond what a checkpoint carries.

A data set of one's own needs nothing here: its folder's classes.json says it all.
"""

from importlib import import_module
from typing import Any

_HOMES = {"label_maps": ("fiancee_hub.domains.streets.data",)}
"""Modules with a ``DOMAIN`` for each family."""


def of_family(family: str) -> tuple[Any, ...]:
    """What we know of a family's data sets, as its training and evaluation take it."""
    return tuple(import_module(module).DOMAIN for module in _HOMES.get(family, ()))
