"""Figures of the model card: pictures of every exit side by side, and MACs against LPIPS."""

import io
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fiancee_hub.core.files import write_bytes
from fiancee_hub.measuring.contact_sheet import Pictures

ROWS = 10
"""Of a contact sheet, at most."""


def spread(count: int, rows: int = ROWS) -> Tensor:
    """At most ``rows`` of ``count`` indices, evenly spread."""
    return torch.linspace(0, count - 1, min(rows, count)).round().long()


def exit_columns(
    images: list[Tensor], rows: Tensor, macs_ratios: list[float]
) -> dict[str, Pictures]:
    """Columns of a contact sheet by heading: every exit, full depth last.

    Args:
        images: of every exit, (n, 3, height, width) each.
        rows: which of the n to show.
        macs_ratios: of the branches, relative to full depth.
    """
    columns: dict[str, Pictures] = {}
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
