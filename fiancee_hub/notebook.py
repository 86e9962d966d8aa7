"""What results look like where they are shown: one line in a terminal, pictures in a notebook."""

import base64
import html
from typing import TYPE_CHECKING

from PIL import Image

from fiancee_hub.core.marking import encoded

if TYPE_CHECKING:
    from fiancee_hub.hub.config import CheckpointConfig
    from fiancee_hub.pipeline import Comparison, FianceePipeline, Result


def of_result(result: "Result") -> str:
    """Exit, prediction and size in one line."""
    size = f"{result.image.width}x{result.image.height}"
    predicted = f"predicted LPIPS {result.predicted_lpips:.4f}"
    return f"<Result {size}: exit {result.exit}, {predicted}, saving {result.saving:.1%}>"


def of_comparison(comparison: "Comparison") -> str:
    """Exit, true distance and budget in one line."""
    kept = "kept" if comparison.kept else "missed"
    early = comparison.early
    return (
        f"<Comparison: exit {early.exit} against {comparison.full.exit}, LPIPS "
        f"{comparison.lpips:.4f}, budget {comparison.budget:g} {kept}, saving {early.saving:.1%}>"
    )


def of_config(config: "CheckpointConfig") -> str:
    """Family, size and exits in one line."""
    shape = config.generator
    name = f" '{config.domain.name}'" if config.domain.name else ""
    classes = f", {len(config.classes)} classes" if config.classes else ""
    calibrated = "calibrated" if config.calibration else "not calibrated"
    return (
        f"<CheckpointConfig {config.family}{name}: {shape.width}x{shape.height}, "
        f"{len(config.exits) + 1} exits{classes}, {calibrated}>"
    )


def of_pipeline(pipeline: "FianceePipeline") -> str:
    """Where it came from, what it holds and where it runs in one line."""
    source = pipeline.repository or pipeline.loaded_from or "no checkpoint"
    height, width = pipeline.size
    dtype = str(pipeline.dtype).removeprefix("torch.")
    return (
        f"<{type(pipeline).__name__} from {source}: {width}x{height}, {pipeline.model.exits} "
        f"exits, {pipeline.device}, {dtype}>"
    )


def png(picture: Image.Image) -> bytes:
    """A generated picture, marked as such."""
    return encoded(picture, "PNG")


def table(comparison: "Comparison") -> str:
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


def _figures(result: "Result") -> str:
    return f"{result.macs / 1e9:.2f} GMACs, {result.milliseconds:.0f} ms"


def _shown(picture: Image.Image) -> str:
    data = base64.b64encode(png(picture)).decode("ascii")
    return f'<img alt="generated picture" src="data:image/png;base64,{data}">'
