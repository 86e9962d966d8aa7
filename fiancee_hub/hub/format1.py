"""config.json of format 1, read as format 2.

It called the families otherwise and said nothing of a domain. For checkpoints with the classes of
a data set of ours, what follows from the classes is filled in.
"""

from typing import Any

from fiancee_hub.core.domain import ClassEntry, Domain
from fiancee_hub.core.family import FORMER_NAMES
from fiancee_hub.hub.domains import shipped, shipped_names
from fiancee_hub.hub.fields import FieldError

FORMAT = 1


def upgraded(raw: dict[str, Any]) -> dict[str, Any]:
    """The content of a file of format 1 as format 2 has it, the domain left out.

    Raises:
        FieldError: a field is not of format 1.
    """
    if "domain" in raw:
        raise FieldError("domain", "is unknown")
    name = raw.get("family")
    if name not in (*FORMER_NAMES,):
        raise FieldError("family", f"is {name!r}, not one of {list(FORMER_NAMES)}")
    return raw | {"family": FORMER_NAMES[name]}


def domain_of(family: str, classes: tuple[ClassEntry, ...]) -> Domain:
    """What family and classes alone tell of the domain: not the terms, which follow the data."""
    for name in shipped_names():
        known = shipped(name)
        if (known.family, known.classes) == (family, classes):
            domain = known.domain
            return Domain(domain.name, domain.title, domain.summary, domain.aliases, domain.unknown)
    return Domain()
