"""What a host can set, all of it from environment variables, read here and nowhere else.

FIANCEE_CHECKPOINT_STREETS   folder or Hub id (user/repo or user/repo@revision) of the streets model
FIANCEE_CHECKPOINT_FACES     the same of the faces model; without that folder there is no faces tab
FIANCEE_THREADS              PyTorch threads; by default two, or one where there is one processor
FIANCEE_QUEUE                visitors that may wait before the next is asked to come back later
FIANCEE_UPLOAD               largest upload, such as 10mb
FIANCEE_LOCAL_PAGES          1: pages opened from a file may embed a demo that runs on localhost

Any page may embed a demo on a host of its own (a proxy must hand on the Host header); a demo on
localhost can be embedded by pages of localhost only.

Gradio's own variables (GRADIO_SERVER_PORT, GRADIO_SERVER_NAME, GRADIO_ROOT_PATH …) hold as well.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Settings:
    """How the demo runs on this host."""

    streets: str = str(ROOT / "weights_card" / "streets")
    faces: str = str(ROOT / "weights_card" / "faces")
    threads: int = 2
    queue: int = 32
    upload: str = "10mb"
    local_pages: bool = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Reads the variables above.

        Raises:
            ValueError: a number is none, or below 1; or a switch neither 0 nor 1.
        """
        return cls(
            streets=environment.get("FIANCEE_CHECKPOINT_STREETS") or cls.streets,
            faces=environment.get("FIANCEE_CHECKPOINT_FACES") or cls.faces,
            threads=_count(environment, "FIANCEE_THREADS", min(2, os.cpu_count() or 1)),
            queue=_count(environment, "FIANCEE_QUEUE", cls.queue),
            upload=environment.get("FIANCEE_UPLOAD") or cls.upload,
            local_pages=_switch(environment, "FIANCEE_LOCAL_PAGES"),
        )


def _count(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not text.strip().isdigit() or int(text) < 1:
        raise ValueError(f"{name} is {text!r}: give a whole number from 1")
    return int(text)


def _switch(environment: Mapping[str, str], name: str) -> bool:
    text = environment.get(name) or "0"
    if text not in ("0", "1"):
        raise ValueError(f"{name} is {text!r}: give 1 or 0")
    return text == "1"
