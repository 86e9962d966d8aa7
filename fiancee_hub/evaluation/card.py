"""The model card: README.md of a checkpoint folder, filled in from its own files."""

import json
from importlib import resources
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from fiancee_hub.config import CheckpointConfig
from fiancee_hub.evaluation import tables

SHEET = "contact_sheet.jpg"
PLOT = "exits.png"
MARKERS = "<!-- figures:streets -->", "<!-- /figures:streets -->"


def write_card(folder: Path, config: CheckpointConfig, figures: dict[str, Any]) -> None:
    """Writes README.md from config.json, evaluation.json and training.json."""
    notes_path = folder / "training.json"
    notes = json.loads(notes_path.read_text()) if notes_path.is_file() else {}
    head = _metadata(config, figures).to_yaml()
    body = _body(folder, config, figures, notes)
    (folder / "README.md").write_text(f"---\n{head}\n---\n\n{body}", encoding="utf-8")


def _metadata(config: CheckpointConfig, figures: dict[str, Any]) -> ModelCardData:
    quality = figures["full_depth_quality"]
    measured = [
        ("lpips", "LPIPS of full depth to the photograph", quality["lpips_to_photo"]),
        ("kid", "KID of full depth on AlexNet features", quality["kid"]),
        ("miou", "mIoU of full depth", quality["miou"]),
    ]
    for row in figures["budgets"]:
        budget = f"at LPIPS budget {row['budget']:.2f}"
        measured.append(("macs", f"Mean MACs ratio {budget}", row["mean_macs_ratio"]))
        measured.append(("coverage", f"Coverage {budget}", row["coverage"]))
    return ModelCardData(
        license="other",
        license_name="non-commercial-research",
        license_link="#licence",
        library_name="fiancee_hub",
        pipeline_tag="image-to-image",
        tags=["early-exit", "semantic-image-synthesis", "oasis", "fiancee", config.family],
        metrics=["lpips", "kid", "miou"],
        model_name="FIANCEE streets",
        eval_results=[
            EvalResult(
                task_type="image-to-image",
                dataset_type="camvid",
                dataset_name="CamVid Seq05VD (unseen drive)",
                metric_type=kind,
                metric_name=name,
                metric_value=value,
            )
            for kind, name, value in measured
        ],
    )


def _body(
    folder: Path, config: CheckpointConfig, figures: dict[str, Any], notes: dict[str, Any]
) -> str:
    calibration = config.calibration
    assert calibration is not None
    template = resources.files("fiancee_hub.evaluation") / "texts" / "streets.md"
    sheet = f"![Map, exits, full depth, photograph]({SHEET})" if (folder / SHEET).is_file() else ""
    return template.read_text(encoding="utf-8").format(
        classes=config.generator.classes,
        width=config.generator.width,
        height=config.generator.height,
        exits=len(config.exits) + 1,
        sheet=sheet,
        n=figures["n"],
        tables=_tables(folder, figures),
        training=tables.training(notes),
        samples=calibration.samples,
        groups=", ".join(f"{name}: {count}" for name, count in calibration.groups.items()),
        level=calibration.level,
        confidence=calibration.confidence,
    )


def _tables(folder: Path, figures: dict[str, Any]) -> str:
    plot = f"![MACs against LPIPS]({PLOT})" if (folder / PLOT).is_file() else ""
    overhead = tables.percent(figures["overhead_macs_ratio"])
    parts = [
        "**Routing.** MACs are relative to full depth, predictor and guide look-up included "
        f"(together {overhead}).",
        tables.budgets(figures["budgets"]),
        "**Exits.** LPIPS to full depth; time relative to full depth, both measured in one run.",
        tables.exits(figures),
        plot,
        "**Against real photographs.** mIoU is that of a segmentation net trained on real "
        "photographs only (11 classes, lane markings counted as road).",
        tables.quality(figures),
        "**Other kinds of maps.** Towns (LabelMeFacade, validation) and fresh drawings.",
        tables.other_inputs(figures),
    ]
    return "\n\n".join(part for part in parts if part)


def write_into_readme(path: Path, figures: dict[str, Any]) -> None:
    """Replaces what stands between the markers of the project's README."""
    text = path.read_text(encoding="utf-8")
    before, _, rest = text.partition(MARKERS[0])
    _, _, after = rest.partition(MARKERS[1])
    body = f"{tables.budgets(figures['budgets'])}\n\n{tables.exits(figures)}\n\n"
    body += tables.quality(figures)
    path.write_text(f"{before}{MARKERS[0]}\n\n{body}\n\n{MARKERS[1]}{after}", encoding="utf-8")
