"""The model card: README.md of a checkpoint folder, filled in from its own files."""

import json
from importlib import resources
from pathlib import Path

from huggingface_hub import EvalResult, ModelCardData

from fiancee_hub.core.errors import CheckpointError, DataError
from fiancee_hub.evaluation.card_kinds import KINDS, CardKind, Figures
from fiancee_hub.hub.config import CheckpointConfig
from fiancee_hub.measuring import tables

PLOT = "exits.png"

ROUTING = """\
**Routing.** MACs are relative to full depth, predictor and guide look-up included (together \
{overhead}). The oracle knows every exit's true LPIPS; no router can cost less. The best fixed \
exit is the cheapest single exit that keeps the budget at least as often as the router does, or \
as often as promised; both are picked in hindsight on these very inputs and pay for no predictor. \
The intervals are exact binomial ones, as if inputs were independent: frames of one film look \
alike, so the truth is less certain than they say."""

EXITS = """\
**Exits.** LPIPS to full depth. MACs are an exit's own, guide look-up included; time includes the \
predictor too, and is relative to full depth without it, measured in turn in one run. "Without \
guides" runs the same branches with the guide left out, as in a tenth of their training steps; \
branches trained without any guide would lose less."""


def write_card(folder: Path, config: CheckpointConfig, figures: Figures) -> None:
    """Writes README.md from config.json, evaluation.json and training.json.

    Raises:
        CheckpointError: the checkpoint is not calibrated.
    """
    notes_path = folder / "training.json"
    notes = json.loads(notes_path.read_text(encoding="utf-8")) if notes_path.is_file() else {}
    head = _metadata(config, figures).to_yaml()
    body = _body(folder, config, figures, notes)
    (folder / "README.md").write_text(f"---\n{head}\n---\n\n{body}", encoding="utf-8")


def _metadata(config: CheckpointConfig, figures: Figures) -> ModelCardData:
    kind = KINDS[config.family]
    measured = kind.results(figures)
    for row in figures["budgets"]:
        budget = f"at LPIPS budget {row['budget']:.2f}"
        measured.append(("macs", f"Mean MACs ratio {budget}", row["mean_macs_ratio"]))
        measured.append(("coverage", f"Coverage {budget}", row["coverage"]))
    return ModelCardData(
        license="other",
        license_name="non-commercial-research",
        library_name="fiancee_hub",
        pipeline_tag="image-to-image",
        tags=["early-exit", "fiancee", *kind.tags],
        metrics=list(dict.fromkeys(metric for metric, _, _ in kind.results(figures))),
        model_name=f"FIANCEE {kind.name}",
        eval_results=[
            EvalResult(
                task_type="image-to-image",
                dataset_type=kind.dataset[0],
                dataset_name=kind.dataset[1],
                metric_type=metric,
                metric_name=name,
                metric_value=value,
            )
            for metric, name, value in measured
        ],
    )


def _body(folder: Path, config: CheckpointConfig, figures: Figures, notes: Figures) -> str:
    calibration, kind = config.calibration, KINDS[config.family]
    if calibration is None:
        raise CheckpointError(f"{folder} has no calibration: run `train calibrate` first")
    template = resources.files("fiancee_hub.evaluation") / "texts" / f"{kind.name}.md"
    shown = [f"![{text}]({name})" for name, text in kind.sheets if (folder / name).is_file()]
    return template.read_text(encoding="utf-8").format(
        classes=len(config.classes),
        width=config.generator.width,
        height=config.generator.height,
        exits=len(config.exits) + 1,
        sheet="\n\n".join(shown),
        n=figures["n"],
        tables=_tables(folder, kind, figures),
        training=tables.training(notes),
        samples=calibration.samples,
        groups=", ".join(f"{name}: {count}" for name, count in calibration.groups.items()),
        level=calibration.level,
        confidence=calibration.confidence,
    )


def _tables(folder: Path, kind: CardKind, figures: Figures) -> str:
    plot = f"![MACs against LPIPS]({PLOT})" if (folder / PLOT).is_file() else ""
    overhead = tables.percent(figures["overhead_macs_ratio"])
    parts = [
        ROUTING.format(overhead=overhead),
        tables.budgets(figures["budgets"]),
        EXITS,
        tables.exits(figures),
        plot,
        *kind.sections(figures),
    ]
    return "\n\n".join(part for part in parts if part)


def markers(name: str) -> tuple[str, str]:
    """Lines of the README between which a checkpoint's figures stand."""
    return f"<!-- figures:{name} -->", f"<!-- /figures:{name} -->"


def write_into_readme(path: Path, kind: CardKind, figures: Figures) -> None:
    """Replaces what stands between the family's markers in the project's README.

    Raises:
        DataError: the README lacks the markers; it is left as it was.
    """
    first, last = markers(kind.name)
    text = path.read_text(encoding="utf-8")
    before, opening, rest = text.partition(first)
    _, closing, after = rest.partition(last)
    if not (opening and closing):
        raise DataError(f"{path} lacks the lines {first} and {last}, in this order")
    parts = (
        f"Measured on {kind.measured_on.format(n=figures['n'])}; "
        f"the [model card](weights_card/{kind.name}/README.md) says what each column means.",
        tables.budgets(figures["budgets"]),
        tables.exits(figures),
        *kind.readme(figures),
    )
    body = "\n\n".join((opening, *parts, closing))
    path.write_text(before + body + after, encoding="utf-8")
