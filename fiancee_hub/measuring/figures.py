"""Figures of the model card: the contact sheet, and MACs against LPIPS."""

import io
import logging
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fiancee_hub.core.files import write_bytes
from fiancee_hub.families.label_maps.classes import ClassEntry, class_named, to_rgb
from fiancee_hub.measuring.contact_sheet import contact_sheet, save_contact_sheet

logger = logging.getLogger(__name__)

ROWS = 10
PEOPLE = ("pedestrian", "bicyclist")


def without_people(maps: Tensor, classes: tuple[ClassEntry, ...], rows: int = ROWS) -> Tensor:
    """Indices of at most ``rows`` maps, evenly spread over those that show nobody.

    The photographs stand beside the images, and passers-by did not ask to be on a model card.
    """
    people = torch.tensor([class_named(classes, name).id for name in PEOPLE])
    empty = torch.isin(maps, people.to(maps.dtype)).flatten(1).sum(1) == 0
    candidates = empty.nonzero().flatten()
    picks = torch.linspace(0, len(candidates) - 1, min(rows, len(candidates))).round().long()
    return candidates[picks]


def draw_sheet(
    path: Path,
    maps: Tensor,
    images: list[Tensor],
    photos: Tensor,
    classes: tuple[ClassEntry, ...],
    macs_ratios: list[float],
) -> None:
    """Writes the contact sheet: map, every exit, full depth, photograph.

    Where every map shows somebody there is no sheet, and an older one is removed.
    """
    rows = without_people(maps, classes)
    if not len(rows):
        logger.warning("every map shows somebody: no contact sheet")
        path.unlink(missing_ok=True)
        return
    columns = _columns(rows, maps, images, classes, macs_ratios)
    columns["photograph"] = photos[rows]
    save_contact_sheet(contact_sheet(columns), path)


def draw_more(
    path: Path,
    maps: Tensor,
    images: list[Tensor],
    classes: tuple[ClassEntry, ...],
    macs_ratios: list[float],
) -> None:
    """Writes a sheet of maps evenly spread over the split, whoever they show; no photographs."""
    rows = torch.linspace(0, len(maps) - 1, min(ROWS, len(maps))).round().long()
    columns = _columns(rows, maps, images, classes, macs_ratios)
    save_contact_sheet(contact_sheet(columns), path)


def _columns(
    rows: Tensor,
    maps: Tensor,
    images: list[Tensor],
    classes: tuple[ClassEntry, ...],
    macs_ratios: list[float],
) -> dict[str, Any]:
    columns: dict[str, Any] = {"map": [to_rgb(maps[row].numpy(), classes) for row in rows]}
    for index, (column, ratio) in enumerate(zip(images[:-1], macs_ratios, strict=True), 1):
        columns[f"exit {index} ({100 * ratio:.0f} % MACs)"] = column[rows]
    columns["full depth"] = images[-1][rows]
    return columns


def draw_plot(path: Path, figures: dict[str, Any]) -> None:
    """Writes MACs against LPIPS: every exit, and what the router pays at each budget."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.subplots()
    exits, budgets = figures["exits"], figures["budgets"]
    x = [100 * row["macs_ratio"] for row in exits] + [100]
    axes.plot(x, [row["lpips_mean"] for row in exits] + [0], "o-", label="single exits (mean)")
    axes.plot(x, [row["lpips_p90"] for row in exits] + [0], "o:", label="single exits (90 %)")
    for key, style, label in (
        ("mean_macs_ratio", "s", "router"),
        ("oracle_macs_ratio", "^", "oracle"),
        ("fixed_exit_macs_ratio", "x", "best fixed exit"),
    ):
        ratios = [100 * row[key] for row in budgets]
        axes.plot(ratios, [row["budget"] for row in budgets], style, label=f"{label} at a budget")
    axes.set(xlabel="MACs, % of full depth", ylabel="LPIPS to full depth", xscale="log")
    axes.set_xticks([5, 10, 20, 50, 100], ["5", "10", "20", "50", "100"])
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    file = io.BytesIO()
    figure.savefig(file, format=path.suffix.removeprefix("."), dpi=130)
    write_bytes(path, file.getvalue())
