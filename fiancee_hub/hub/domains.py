"""The domains of our own data sets, as ``assets/domains`` holds them."""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

from fiancee_hub.core.domain import ClassEntry, Domain
from fiancee_hub.hub.fields import parse

_FOLDER = resources.files("fiancee_hub") / "assets" / "domains"


@dataclass(frozen=True)
class ShippedDomain:
    """A data set of ours.

    Args:
        family: of its checkpoints.
        classes: of its label maps; none for faces.
        domain: what its checkpoints say, without examples.
    """

    family: str
    classes: tuple[ClassEntry, ...]
    domain: Domain


def shipped_names() -> tuple[str, ...]:
    """Names of our data sets."""
    return tuple(sorted(file.name.removesuffix(".json") for file in _FOLDER.iterdir()))


@cache
def shipped(name: str) -> ShippedDomain:
    """One of our data sets.

    Raises:
        FileNotFoundError: there is none of that name.
    """
    content = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    found: ShippedDomain = parse(ShippedDomain, content, name)
    return found
