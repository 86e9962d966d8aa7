"""Contact sheets of label maps: map, every exit, full depth and, where nobody is shown, the
photograph."""

import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from fiancee_hub.families.label_maps.classes import ClassEntry, to_rgb
from fiancee_hub.families.label_maps.judging.evaluate import EvaluatedMaps
from fiancee_hub.families.label_maps.judging.tables import DRAWN, MORE, SHEET
from fiancee_hub.families.label_maps.pipeline import LabelMapPipeline
from fiancee_hub.families.label_maps.training.class_table import ClassTable
from fiancee_hub.hub.examples import example_file
from fiancee_hub.measuring.contact_sheet import Pictures, contact_sheet, save_contact_sheet
from fiancee_hub.measuring.figures import ROWS, exit_columns, spread
from fiancee_hub.measuring.measure import render_all

logger = logging.getLogger(__name__)


def draw_sheets(folder: Path, found: EvaluatedMaps, table: ClassTable) -> None:
    """Writes both sheets of an evaluation into the checkpoint's folder.

    The photographs stand beside the pictures, and passers-by did not ask to be on a model card:
    only maps without people are shown there. Where every map shows somebody there is no such
    sheet, and an older one is removed. Of data that is private, nothing is shown: the
    checkpoint's own examples stand for it.
    """
    ratios = [row["macs_ratio"] for row in found.figures["exits"]]
    if table.private:
        _draw_examples(folder, ratios)
        return
    (folder / DRAWN).unlink(missing_ok=True)
    rows = without(found.maps, table.people)
    if len(rows):
        columns = _columns(found, rows, table.entries, ratios)
        columns["photograph"] = found.photos[rows]
        save_contact_sheet(contact_sheet(columns), folder / SHEET)
    else:
        logger.warning("every map shows somebody: no contact sheet")
        (folder / SHEET).unlink(missing_ok=True)
    more = _columns(found, spread(len(found.maps)), table.entries, ratios)
    save_contact_sheet(contact_sheet(more), folder / MORE)


def _draw_examples(folder: Path, ratios: list[float]) -> None:
    """Writes the sheet of a checkpoint's example inputs, and removes what shows others."""
    for name in (SHEET, MORE, DRAWN):
        (folder / name).unlink(missing_ok=True)
    pipe = LabelMapPipeline.from_pretrained(folder)
    files = [example_file(folder, example) for example in pipe.config.domain.examples]
    if not files:
        logger.warning("the data is private and there are no examples/: no contact sheet")
        return
    maps = torch.stack([torch.from_numpy(pipe.read(path).ids.copy()) for path in files[:ROWS]])
    with torch.no_grad():
        images, _ = render_all(pipe.model, pipe.model.start(maps, pipe.noise([0] * len(maps))))
    columns: dict[str, Pictures] = {
        "map": [to_rgb(ids.numpy(), pipe.config.classes) for ids in maps]
    }
    columns |= exit_columns(images, torch.arange(len(maps)), ratios)
    save_contact_sheet(contact_sheet(columns), folder / DRAWN)


def without(maps: Tensor, classes: Sequence[int], rows: int = ROWS) -> Tensor:
    """Indices of at most ``rows`` maps, evenly spread over those that have none of ``classes``."""
    unwanted = torch.tensor(list(classes), dtype=maps.dtype)
    candidates = (torch.isin(maps, unwanted).flatten(1).sum(1) == 0).nonzero().flatten()
    return candidates[spread(len(candidates), rows)]


def _columns(
    found: EvaluatedMaps, rows: Tensor, classes: tuple[ClassEntry, ...], ratios: list[float]
) -> dict[str, Pictures]:
    maps: dict[str, Pictures] = {"map": [to_rgb(found.maps[row].numpy(), classes) for row in rows]}
    return maps | exit_columns(found.images, rows, ratios)
