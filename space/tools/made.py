"""Which weights the repository's pictures, transcripts and waiting times were made with.

docs/made-with.json has the SHA-256 of every checkpoint that a part shows. Waiting times follow a
checkpoint's costs and not what its weights hold, so theirs is that of the costs.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from fiancee_hub.core.files import sha256_of, write_text
from fiancee_hub.hub.checkpoints import CONFIG, WEIGHTS
from space.settings import ROOT, SHIPPED

MADE = ROOT / "docs" / "made-with.json"

Digests = dict[str, str]
"""By the checkpoint's name."""

ADDRESSES = {one.name: Path(one.address) for one in SHIPPED}


def weights_digest(folder: Path) -> str:
    """SHA-256 of a checkpoint's weights."""
    return sha256_of(folder / WEIGHTS)


def costs_digest(folder: Path) -> str:
    """SHA-256 of what each exit of a checkpoint costs."""
    costs: Any = json.loads((folder / CONFIG).read_text(encoding="utf-8"))["costs"]
    return hashlib.sha256(json.dumps(costs, sort_keys=True).encode()).hexdigest()


def is_timed(part: str) -> bool:
    """Whether a part shows waiting times."""
    return part.startswith("times/")


def digests(part: str, names: Iterable[str]) -> Digests:
    """What a part made now would be noted with.

    Args:
        part: ``screens/…``, ``pairs/…``, ``transcript/…`` or ``times/…``.
        names: of the checkpoints that it shows.
    """
    digest: Callable[[Path], str] = costs_digest if is_timed(part) else weights_digest
    return {name: digest(ADDRESSES[name]) for name in names}


def is_shipped(name: str, address: str) -> bool:
    """Whether what a tab shows (a folder or Hub id) is the checkpoint of the repository."""
    ours = ADDRESSES.get(name)
    return ours is not None and Path(address).resolve() == ours.resolve()


def made(path: Path = MADE) -> dict[str, Digests]:
    """What every part was made with."""
    if not path.is_file():
        return {}
    found: dict[str, Digests] = json.loads(path.read_text(encoding="utf-8"))
    return found


def note(part: str, names: Iterable[str], path: Path = MADE) -> None:
    """Writes down that a part was just made, with the checkpoints that lie in the repository."""
    found = made(path) | {part: digests(part, names)}
    write_text(path, json.dumps(dict(sorted(found.items())), indent=1) + "\n")
