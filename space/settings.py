"""What a host can set, all of it from environment variables, read here and nowhere else.

FIANCEE_CHECKPOINTS          the page's tabs in order, NAME=FOLDER or NAME=USER/REPO[@REVISION],
                             with commas between them; by default the three that come along,
                             streets=weights_card/streets,facades=…,faces=weights_card/faces
FIANCEE_CHECKPOINT_STREETS   another checkpoint for the tab called streets
FIANCEE_CHECKPOINT_FACADES   another checkpoint for the tab called facades
FIANCEE_CHECKPOINT_FACES     another checkpoint for the tab called faces, and so on for every tab;
                             a dash in its name is an underscore here
FIANCEE_THREADS              PyTorch threads; by default two, or one where there is one processor
FIANCEE_QUEUE                visitors that may wait before the next is asked to come back later
FIANCEE_UPLOAD               largest upload, such as 10mb
FIANCEE_LOCAL_PAGES          1: pages opened from a file may embed a demo that runs on localhost

A tab's name stands in links and in the names of its endpoints: small letters, digits and dashes.
Any page may embed a demo on a host of its own (a proxy must hand on the Host header); a demo on
localhost can be embedded by pages of localhost only.

Gradio's own variables (GRADIO_SERVER_PORT, GRADIO_SERVER_NAME, GRADIO_ROOT_PATH …) hold as well.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
RESERVED = ("drive", "method", "reenact")
"""Endpoints of the faces tab, and the tab that explains the page."""


UNITS = {"": 1, "b": 1, "kb": 2**10, "mb": 2**20, "gb": 2**30}
"""Of sizes, in bytes."""


@dataclass(frozen=True)
class Checkpoint:
    """One tab of the page.

    Args:
        name: of the tab, in links and endpoints.
        address: folder or Hub id (user/repo or user/repo@revision).
    """

    name: str
    address: str


SHIPPED = tuple(
    Checkpoint(name, str(ROOT / "weights_card" / name)) for name in ("streets", "facades", "faces")
)


@dataclass(frozen=True)
class Settings:
    """How the demo runs on this host."""

    checkpoints: tuple[Checkpoint, ...] = SHIPPED
    threads: int = 2
    queue: int = 32
    upload: str = "10mb"
    local_pages: bool = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Reads the variables above.

        Raises:
            ValueError: a value cannot be used; the message names the variable and the fix.
        """
        upload = environment.get("FIANCEE_UPLOAD") or cls.upload
        in_bytes(upload)
        return cls(
            checkpoints=_checkpoints(environment),
            threads=_count(environment, "FIANCEE_THREADS", min(2, os.cpu_count() or 1)),
            queue=_count(environment, "FIANCEE_QUEUE", cls.queue),
            upload=upload,
            local_pages=_switch(environment, "FIANCEE_LOCAL_PAGES"),
        )


def in_bytes(size: str) -> int:
    """A size such as ``10mb``; without a unit it is in bytes.

    Raises:
        ValueError: it is none; the message says how to write one.
    """
    found = re.fullmatch(r"\s*(\d+)\s*([a-z]*)\s*", size.lower())
    if not found or found[2] not in UNITS or not int(found[1]):
        raise ValueError(
            f"FIANCEE_UPLOAD is {size!r}: give a number and kb, mb or gb, such as 10mb"
        )
    return int(found[1]) * UNITS[found[2]]


def _checkpoints(environment: Mapping[str, str]) -> tuple[Checkpoint, ...]:
    listed = environment.get("FIANCEE_CHECKPOINTS") or ""
    found = tuple(map(_checkpoint, listed.split(","))) if listed.strip() else SHIPPED
    names = [one.name for one in found]
    if len(set(names)) < len(names):
        raise ValueError(f"FIANCEE_CHECKPOINTS names a tab twice: {', '.join(names)}")
    return tuple(Checkpoint(one.name, _address_of(one, environment)) for one in found)


def _address_of(checkpoint: Checkpoint, environment: Mapping[str, str]) -> str:
    # Shells know no variables with dashes.
    variable = f"FIANCEE_CHECKPOINT_{checkpoint.name.upper().replace('-', '_')}"
    given = (environment.get(variable) or "").strip()
    return _address(given) if given else checkpoint.address


def _checkpoint(text: str) -> Checkpoint:
    name, equals, address = (part.strip() for part in text.partition("="))
    if not equals or not address:
        raise ValueError(f"FIANCEE_CHECKPOINTS has {text.strip()!r}: write NAME=FOLDER_OR_HUB_ID")
    if not NAME.fullmatch(name):
        raise ValueError(
            f"FIANCEE_CHECKPOINTS calls a tab {name!r}: use small letters, digits and dashes, "
            "a letter first"
        )
    if name in RESERVED:
        raise ValueError(f"FIANCEE_CHECKPOINTS calls a tab {name!r}: that name is taken")
    return Checkpoint(name, _address(address))


def _address(given: str) -> str:
    """A folder beside the app is meant wherever the app was started."""
    beside = ROOT / given
    return str(beside) if beside.is_dir() else given


def _count(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not re.fullmatch(r"\s*0*[1-9][0-9]{0,8}\s*", text):
        raise ValueError(f"{name} is {text!r}: give a whole number from 1")
    return int(text)


def _switch(environment: Mapping[str, str], name: str) -> bool:
    text = environment.get(name) or "0"
    if text not in ("0", "1"):
        raise ValueError(f"{name} is {text!r}: give 1 or 0")
    return text == "1"
