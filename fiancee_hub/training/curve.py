"""How a phase's losses, and what a judge says, went over the images: curve.json and curve.png."""

import io
import json
from pathlib import Path
from typing import Any

from fiancee_hub.core.files import write_bytes, write_text

Point = dict[str, Any]
"""``images``, ``minutes``, and ``losses`` or ``judge``: values by name."""


class Curve:
    """Goes on with the points in ``folder/curve.json``.

    Args:
        folder: where both files go.
        images: trained so far; points beyond come from steps that were lost, and are dropped.
    """

    def __init__(self, folder: Path, images: int) -> None:
        self.folder = folder
        path = folder / "curve.json"
        points = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
        self.points: list[Point] = [point for point in points if point["images"] <= images]

    def add(self, images: int, minutes: float, **kinds: dict[str, float]) -> None:
        """Adds values by name under ``losses`` or ``judge``."""
        self.points.append({"images": images, "minutes": minutes, **kinds})

    def save(self) -> None:
        """Writes the points, and draws them where matplotlib is installed."""
        if not self.points:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        write_text(self.folder / "curve.json", json.dumps(self.points, indent=1) + "\n")
        try:
            picture = _drawn(self.points)
        except ModuleNotFoundError:
            return
        write_bytes(self.folder / "curve.png", picture)


def _drawn(points: list[Point]) -> bytes:
    """One panel for each loss and each of the judge's values, as PNG."""
    from matplotlib.figure import Figure

    names = {(kind, name) for point in points for kind in _kinds(point) for name in point[kind]}
    panels = sorted(names)
    rows = -(-len(panels) // 2)
    figure = Figure(figsize=(10, 2.2 * rows), layout="constrained")
    axes = figure.subplots(rows, 2, squeeze=False, sharex=True).flatten()
    for axis, (kind, name) in zip(axes, panels, strict=False):
        shown = [point for point in points if name in point.get(kind, {})]
        values = [point[kind][name] for point in shown]
        marker = "o" if kind == "judge" else ""
        axis.plot([point["images"] for point in shown], values, marker=marker, linewidth=1)
        axis.set_title(f"{kind}: {name}", fontsize=9)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    figure.supxlabel("images", fontsize=9)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100)
    return file.getvalue()


def _kinds(point: Point) -> list[str]:
    return [kind for kind in ("losses", "judge") if kind in point]
