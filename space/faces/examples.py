"""Photographs that may be shown here; their terms lie beside them."""

import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "examples" / "faces"
NEUTRAL = "neutral"


@dataclass(frozen=True)
class ExamplePhoto:
    """A photograph and what it is called."""

    path: Path
    title: str

    @property
    def neutral(self) -> Path:
        """The same person without expression."""
        return self.path.with_name(re.sub(r"_[a-z]+$", f"_{NEUTRAL}", self.path.stem) + ".jpg")


def examples(folder: Path = FOLDER) -> tuple[ExamplePhoto, ...]:
    """Files such as ``london_008_smile.jpg``, in order, called "008, smile"."""
    return tuple(ExamplePhoto(f, _title(f.stem)) for f in sorted(folder.glob("[!.]*.jpg")))


def _title(stem: str) -> str:
    return ", ".join(stem.split("_")[1:])
