"""The model card: README.md of a checkpoint folder, filled in from its own files."""

import json
from importlib import resources
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from fiancee_hub.config import CheckpointConfig
from fiancee_hub.errors import CheckpointError, DataError
from fiancee_hub.evaluation import tables

SHEET = "contact_sheet.jpg"
MORE = "more_maps.jpg"
PLOT = "exits.png"
MARKERS = "<!-- figures:streets -->", "<!-- /figures:streets -->"


ROUTING = """\
**Routing.** MACs are relative to full depth, predictor and guide look-up included (together \
{overhead}). The oracle knows every exit's true LPIPS; no router can cost less. The best fixed \
exit is the cheapest single exit that keeps the budget at least as often as the router does, or \
as often as promised; both are picked in hindsight on these very frames and pay for no predictor. \
The intervals are exact binomial ones, as if frames were independent: neighbours look alike, so \
the truth is less certain than they say."""

EXITS = """\
**Exits.** LPIPS to full depth. MACs are an exit's own, guide look-up included; time includes the \
predictor too, and is relative to full depth without it, measured in turn in one run. "Without \
guides" runs the same branches with the guide left out, as in a tenth of their training steps; \
branches trained without any guide would lose less."""

QUALITY = """\
**Against real photographs.** mIoU is that of a segmentation net trained on real photographs only \
(11 classes, lane markings counted as road). Neither judge is foreign to the training: KID's \
features are those of LPIPS, which is one of its losses, and the segmentation net began from the \
same ImageNet weights as the discriminator."""

OTHER_INPUTS = "**Other kinds of maps.** Towns (LabelMeFacade, validation) and fresh drawings."


def write_card(folder: Path, config: CheckpointConfig, figures: dict[str, Any]) -> None:
    """Writes README.md from config.json, evaluation.json and training.json.

    Raises:
        CheckpointError: the checkpoint is not calibrated.
    """
    notes_path = folder / "training.json"
    notes = json.loads(notes_path.read_text(encoding="utf-8")) if notes_path.is_file() else {}
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
    if calibration is None:
        raise CheckpointError(f"{folder} has no calibration: run `train calibrate` first")
    template = resources.files("fiancee_hub.evaluation") / "texts" / "streets.md"
    sheets = (
        (SHEET, "Map, exits, full depth, photograph"),
        (MORE, "Ten maps, evenly spread over the drive, with every exit"),
    )
    shown = [f"![{text}]({name})" for name, text in sheets if (folder / name).is_file()]
    return template.read_text(encoding="utf-8").format(
        classes=len(config.classes),
        width=config.generator.width,
        height=config.generator.height,
        exits=len(config.exits) + 1,
        sheet="\n\n".join(shown),
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
        ROUTING.format(overhead=overhead),
        tables.budgets(figures["budgets"]),
        EXITS,
        tables.exits(figures),
        plot,
        QUALITY,
        tables.quality(figures),
        OTHER_INPUTS,
        tables.other_inputs(figures),
    ]
    return "\n\n".join(part for part in parts if part)


def write_into_readme(path: Path, figures: dict[str, Any]) -> None:
    """Replaces what stands between the markers of the project's README.

    Raises:
        DataError: the README lacks the markers; it is left as it was.
    """
    text = path.read_text(encoding="utf-8")
    before, opening, rest = text.partition(MARKERS[0])
    _, closing, after = rest.partition(MARKERS[1])
    if not (opening and closing):
        raise DataError(f"{path} lacks the lines {MARKERS[0]} and {MARKERS[1]}, in this order")
    parts = (
        f"Measured on the {figures['n']} maps of a drive that nothing was trained or chosen on; "
        "the [model card](weights_card/streets/README.md) says what each column means.",
        tables.budgets(figures["budgets"]),
        tables.exits(figures),
        tables.quality(figures),
    )
    body = "\n\n".join((opening, *parts, closing))
    path.write_text(before + body + after, encoding="utf-8")
