"""What results look like where they are shown: one line in a terminal, pictures in a notebook."""

import base64
import html
from typing import Protocol

from PIL import Image

from fiancee_hub.core.marking import encoded


class Delivered(Protocol):
    """A ``Result``."""

    @property
    def image(self) -> Image.Image: ...
    @property
    def exit(self) -> int: ...
    @property
    def predicted_lpips(self) -> float: ...
    @property
    def macs(self) -> int: ...
    @property
    def saving(self) -> float: ...
    @property
    def milliseconds(self) -> float: ...
    @property
    def notes(self) -> tuple[str, ...]: ...


class Compared(Protocol):
    """A ``Comparison``."""

    @property
    def early(self) -> Delivered: ...
    @property
    def full(self) -> Delivered: ...
    @property
    def lpips(self) -> float: ...
    @property
    def kept(self) -> bool: ...
    @property
    def budget(self) -> float: ...


def of_result(result: Delivered) -> str:
    """Exit, prediction and size in one line."""
    size = f"{result.image.width}x{result.image.height}"
    predicted = f"predicted LPIPS {result.predicted_lpips:.4f}"
    return f"<Result {size}: exit {result.exit}, {predicted}, saving {result.saving:.1%}>"


def of_comparison(comparison: Compared) -> str:
    """Exit, true distance and budget in one line."""
    kept = "kept" if comparison.kept else "missed"
    early = comparison.early
    return (
        f"<Comparison: exit {early.exit} against {comparison.full.exit}, LPIPS "
        f"{comparison.lpips:.4f}, budget {comparison.budget:g} {kept}, saving {early.saving:.1%}>"
    )


def png(picture: Image.Image) -> bytes:
    """A generated picture, marked as such."""
    return encoded(picture, "PNG")


def table(comparison: Compared) -> str:
    """Both pictures over their figures, as HTML."""
    early, full = comparison.early, comparison.full
    kept = "kept" if comparison.kept else "missed"
    columns = (
        (f"exit {early.exit} of {full.exit}", early),
        ("full depth", full),
    )
    cells = (
        ("th", [name for name, _ in columns]),
        ("td", [_shown(result.image) for _, result in columns]),
        ("td", [_figures(result) for _, result in columns]),
    )
    rows = "".join(
        f"<tr>{''.join(f'<{tag}>{cell}</{tag}>' for cell in row)}</tr>" for tag, row in cells
    )
    verdict = f"LPIPS {comparison.lpips:.4f}, budget {comparison.budget:g} {kept}"
    notes = "".join(f"<br>{html.escape(note)}" for note in early.notes)
    return f"<table>{rows}</table><p>{verdict}{notes}</p>"


def _figures(result: Delivered) -> str:
    return f"{result.macs / 1e9:.2f} GMACs, {result.milliseconds:.0f} ms"


def _shown(picture: Image.Image) -> str:
    data = base64.b64encode(png(picture)).decode("ascii")
    return f'<img alt="generated picture" src="data:image/png;base64,{data}">'
