"""Contact sheets of faces: those that may be shown to anyone, and private ones.

Shown are persons of the London set alone, who agreed to that; made by the pipeline as users call
it, from their pictures as they are.
"""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from fiancee_hub.core.errors import DataError, InputError
from fiancee_hub.core.pixels import to_picture
from fiancee_hub.families.faces.judging import hard_sheet
from fiancee_hub.families.faces.judging.mesh_warp import MeshWarp
from fiancee_hub.families.faces.judging.pairs import LONDON
from fiancee_hub.families.faces.judging.quality import Shown
from fiancee_hub.families.faces.judging.tables import CROSS_SHEET, HARD_SHEET, OWN_SHEET
from fiancee_hub.families.faces.landmarks.motion import Motion, head_of
from fiancee_hub.families.faces.pipeline import Controls, FacesPipeline, Source
from fiancee_hub.families.faces.training.pairs import SIZE, FaceFolder, Frame
from fiancee_hub.measuring.contact_sheet import contact_sheet, save_contact_sheet
from fiancee_hub.pipeline import FianceePipeline

logger = logging.getLogger(__name__)

WHOLE = 0, 0, SIZE, SIZE
WIDTH = 176
"""Of a picture on a sheet, pixels."""

HARD_WIDTH = 128
"""Likewise, where a row is long."""

PERSONS = 6
ROWS = 12
"""Of a private sheet."""

SLIDERS = (
    Controls(yaw=20, relative=True),
    Controls(yaw=-20, relative=True),
    Controls(pitch=12, relative=True),
    Controls(pitch=-12, relative=True),
    Controls(smile=1, relative=True),
    Controls(mouth=1, relative=True),
    Controls(blink=1, relative=True),
)


class ShownPersons:
    """Test persons who may be shown, and the pipeline that drives them.

    Args:
        checkpoint: folder.
        data: prepared data.
        macs_ratios: of the branches, for the headings.
    """

    def __init__(self, checkpoint: Path, data: FaceFolder, macs_ratios: list[float]) -> None:
        self.data, self.ratios = data, macs_ratios
        pipeline = FianceePipeline.from_pretrained(checkpoint)
        assert isinstance(pipeline, FacesPipeline)
        self.pipeline = pipeline
        self.neutral, self.smiling = (self._frames(name) for name in ("neutral", "smile"))

    def _frames(self, ending: str, count: int = PERSONS) -> list[Frame]:
        """One frame of each person, in the same order for every ending."""
        frames = [f for f in self.data.split("test") if f.source == LONDON]
        return [frame for frame in frames if frame.group.endswith(ending)][:count]

    def draw(self, folder: Path, warp: MeshWarp) -> None:
        """Writes the sheets; without anybody who may be shown, old ones are removed."""
        if not self.neutral or len(self.neutral) != len(self.smiling):
            logger.warning("nobody who may be shown: no contact sheets")
            for name in (OWN_SHEET, CROSS_SHEET, HARD_SHEET):
                (folder / name).unlink(missing_ok=True)
            return
        own = contact_sheet(self.own_columns(warp), picture_width=WIDTH)
        save_contact_sheet(own, folder / OWN_SHEET, limit=800_000)
        cross = contact_sheet(self.cross_columns(), picture_width=WIDTH)
        save_contact_sheet(cross, folder / CROSS_SHEET, limit=1_200_000)
        self._draw_hard(folder)

    def _draw_hard(self, folder: Path) -> None:
        frames = self._frames("neutral", hard_sheet.PERSONS)
        sources = [(self._picture(frame), self._read(frame)) for frame in frames]
        try:
            hard = hard_sheet.columns(self.pipeline, sources, self.data)
        except DataError as error:
            logger.warning("no contact sheet of hard motions: %s", error)
            (folder / HARD_SHEET).unlink(missing_ok=True)
            return
        sheet = contact_sheet(hard, picture_width=HARD_WIDTH)
        save_contact_sheet(sheet, folder / HARD_SHEET, limit=1_200_000)

    def own_columns(self, warp: MeshWarp) -> dict[str, Any]:
        """Neutral pictures driven to the same persons' smiles."""
        columns: dict[str, list[Image.Image]] = {}
        for first, second in zip(self.neutral, self.smiling, strict=True):
            source, driver = self._read(first), self._read(second)
            target = self.pipeline.target(source, driver.motion, source.motion)
            self._add(columns, "source", self._picture(first))
            self._add(columns, "driver and truth", self._picture(second))
            self._add(columns, "mesh warp", _warped(warp, source, target))
            self._add_exits(columns, source, driver.motion, source.motion)
        return columns

    def cross_columns(self) -> dict[str, Any]:
        """Each person driven by another, then by sliders."""
        columns: dict[str, list[Image.Image]] = {}
        drivers = [*self.smiling[1:], self.smiling[0]]
        for first, second in zip(self.neutral, drivers, strict=True):
            self._add(columns, "source", self._picture(first))
            self._add(columns, "driver", self._picture(second))
            self._add_exits(columns, self._read(first), self._read(second).motion)
        for index, controls in enumerate(SLIDERS):
            first = self.neutral[index % len(self.neutral)]
            self._add(columns, "source", self._picture(first))
            self._add(columns, "driver", written(label(controls)))
            self._add_exits(columns, self._read(first), controls)
        return columns

    def _add_exits(
        self,
        columns: dict[str, list[Image.Image]],
        source: Source,
        driver: Motion | Controls,
        reference: Motion | None = None,
    ) -> None:
        rendering = self.pipeline.prepare(source=source, driver=driver, reference=reference)
        for index, name in enumerate(headings(self.ratios), 1):
            self._add(columns, name, rendering.result(index).image)

    @staticmethod
    def _add(columns: dict[str, list[Image.Image]], name: str, picture: Image.Image) -> None:
        columns.setdefault(name, []).append(picture)

    def _picture(self, frame: Frame) -> Image.Image:
        return Image.fromarray(np.array(self.data.images[frame.index]))

    def _read(self, frame: Frame) -> Source:
        return self.pipeline.encode(self._picture(frame), box=WHOLE)


def headings(macs_ratios: list[float]) -> list[str]:
    """Of the exits' columns."""
    branches = [f"exit {i} ({100 * ratio:.0f} %)" for i, ratio in enumerate(macs_ratios, 1)]
    return [*branches, "full depth"]


def label(controls: Controls) -> str:
    """What sliders ask for, in a word or two."""
    angles = [f"{n} {v:+.0f}°" for n in ("yaw", "pitch", "roll") if (v := getattr(controls, n))]
    others = [f"{n} {v:.0%}" for n in ("smile", "mouth", "blink") if (v := getattr(controls, n))]
    return ", ".join(angles + others)


def written(text: str) -> Image.Image:
    """A tile with a text, where there is no picture."""
    tile = Image.new("RGB", (SIZE, SIZE), (240, 240, 240))
    font = ImageFont.load_default(32)
    ImageDraw.Draw(tile).text((SIZE / 2, SIZE / 2), text, (32, 32, 32), font, anchor="mm")
    return tile


def _warped(warp: MeshWarp, source: Source, target: Motion) -> Image.Image:
    head = head_of(target, source.crown, source.crop.picture.width)
    image = warp(source.appearance.picture, source.head, head)[0]
    return to_picture(image)


def check_private(folder: Path) -> None:
    """Raises InputError for a folder inside a repository: these persons may not be published."""
    for parent in (folder.resolve(), *folder.resolve().parents):
        if (parent / ".git").exists():
            raise InputError(
                f"{folder} is inside the repository {parent}: private sheets show persons who may "
                "not be published, choose a folder elsewhere"
            )


def draw_private(folder: Path, own: Shown, cross: Shown, macs_ratios: list[float]) -> None:
    """Writes sheets of any test persons, to look at and not to publish.

    Args:
        folder: outside any repository.
        own: self pairs; the rows are evenly spread from little motion to much.
        cross: cross pairs.
        macs_ratios: of the branches, for the headings.

    Raises:
        InputError: the folder is inside a repository.
    """
    check_private(folder)
    folder.mkdir(parents=True, exist_ok=True)
    order = torch.from_numpy(own.motion).argsort()
    spread = torch.linspace(0, len(order) - 1, min(ROWS, len(order))).round().long()
    for name, shown, rows in (
        ("self", own, order[spread]),
        ("self_most_motion", own, order[-ROWS:]),
        ("cross", cross, torch.arange(min(ROWS, len(cross.pairs)))),
    ):
        columns = _columns(shown, rows, macs_ratios)
        save_contact_sheet(contact_sheet(columns, picture_width=WIDTH), folder / f"{name}.jpg")


def _columns(shown: Shown, rows: Tensor, macs_ratios: list[float]) -> dict[str, Any]:
    exits = zip(headings(macs_ratios), shown.trial.images, strict=True)
    return {
        "source": shown.sources[rows],
        "driver": shown.drivers[rows],
        "mesh warp": shown.warped[rows],
        **{name: images[rows] for name, images in exits},
    }
