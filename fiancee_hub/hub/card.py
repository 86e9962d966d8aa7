"""The model card of any checkpoint, from what its own files say; nothing is left to fill in.

``evaluate`` writes the longer cards of the checkpoints that this project ships.
"""

from dataclasses import dataclass
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from fiancee_hub.families.label_maps.config import OasisConfig
from fiancee_hub.hub.config import CheckpointConfig

UNSTATED_LICENCE = "terms-of-the-training-data"


@dataclass(frozen=True)
class Origin:
    """What a checkpoint's own files do not say.

    Args:
        name: of the model.
        license: the Hub's short name of the terms that the weights are under.
        license_name: name of the terms if ``license`` is "other".
        license_link: where they stand.
        datasets: names of the training data.
        base_model: repository that this one was made from.
        remarks: sentences on where the weights come from.
    """

    name: str = "FIANCEE model"
    license: str = "other"
    license_name: str | None = UNSTATED_LICENCE
    license_link: str | None = None
    datasets: tuple[str, ...] = ()
    base_model: str | None = None
    remarks: str = ""


@dataclass(frozen=True)
class _Family:
    title: str
    turns: str
    call: str
    paper: str
    tags: tuple[str, ...]
    limit: str
    licences: str = ""


_FAMILIES = {
    "label_maps": _Family(
        "semantic map to photograph",
        "A label map goes in, a photograph of {width}×{height} pixels comes out",
        'pipe("map.png", budget=0.1, seed=0)',
        "OASIS (Sushko et al., ICLR 2021)",
        ("semantic-image-synthesis", "oasis"),
        "Not for training or testing driving systems, and not for making pictures that pass as "
        "evidence of a real place.",
    ),
    "faces": _Family(
        "a face with the pose and expression of another",
        "A source face and a driver go in, the source person with the driver's head pose and "
        "expression comes out, {width}×{height} pixels",
        'pipe(source="me.jpg", driver="you.jpg", budget=0.1)',
        "MegaPortraits (Drobyshev et al., MM 2022)",
        ("face-reenactment", "portraits"),
        "Only for faces of people who agreed, and not for pictures that pass as real.",
        "| landmarker | Apache-2.0 (Google, MediaPipe) |\n",
    ),
}

_BODY = """\
# {name}: {title}

{turns}, made by the cheapest of {exits} exits whose LPIPS to full depth is predicted to stay \
within the budget that you set. The generator follows {paper}; early exits, guide bank and \
predictor follow *FIANCEE: Faster Inference of Adversarial Networks via Conditional Early Exits* \
(CVPR 2023, arXiv 2304.10306).{remarks}

```python
from fiancee_hub import FianceePipeline

pipe = FianceePipeline.from_pretrained("user/repo")  # this repository, or its folder
result = {call}
result.image, result.exit, result.predicted_lpips, result.saving
```

## Exits

{costs}

{figures}

## Limits

{limits}

## Licence

| what | terms |
| --- | --- |
| code | Apache-2.0 |
| weights | {terms} |
{licences}| LPIPS | BSD-2-Clause, its AlexNet BSD-3-Clause |
| patents | applications by the authors of FIANCEE exist: WO2024100564A1, US20240177273A1 |

This is no legal advice.
"""


def model_card(
    config: CheckpointConfig, origin: Origin = Origin(), figures: dict[str, Any] | None = None
) -> ModelCard:
    """The card.

    Args:
        config: of the checkpoint.
        origin: name, terms and data.
        figures: evaluation.json, if it belongs to these very weights.
    """
    head = _metadata(config, origin, figures).to_yaml()
    return ModelCard(f"---\n{head}\n---\n\n{_body(config, origin, figures)}")


def _metadata(
    config: CheckpointConfig, origin: Origin, figures: dict[str, Any] | None
) -> ModelCardData:
    results = [] if figures is None else _results(origin, figures)
    return ModelCardData(
        license=origin.license,
        license_name=origin.license_name if origin.license == "other" else None,
        license_link=origin.license_link,
        library_name="fiancee_hub",
        pipeline_tag="image-to-image",
        tags=["early-exit", "fiancee", *_FAMILIES[config.family].tags],
        datasets=list(origin.datasets) or None,
        base_model=origin.base_model,
        metrics=sorted({result.metric_type for result in results}) or None,
        model_name=origin.name,
        eval_results=results or None,
    )


def _results(origin: Origin, figures: dict[str, Any]) -> list[EvalResult]:
    data = ", ".join(origin.datasets) or "held-out data"
    measured = []
    for row in figures.get("exits", ()):
        name = f"LPIPS to full depth, exit {row['exit']}"
        measured.append(("lpips", name, row["lpips_mean"]))
    for row in figures.get("budgets", ()):
        budget = f"at LPIPS budget {row['budget']:.2f}"
        measured.append(("macs", f"Mean MACs ratio {budget}", row["mean_macs_ratio"]))
        measured.append(("coverage", f"Coverage {budget}", row["coverage"]))
    return [
        EvalResult(
            task_type="image-to-image",
            dataset_type=figures["split"],
            dataset_name=f"{data}, split {figures['split']} (n = {figures['n']})",
            metric_type=kind,
            metric_name=name,
            metric_value=value,
        )
        for kind, name, value in measured
    ]


def _body(config: CheckpointConfig, origin: Origin, figures: dict[str, Any] | None) -> str:
    family, shape = _FAMILIES[config.family], config.generator
    sizes = {"width": shape.width, "height": shape.height}
    return _BODY.format(
        name=origin.name,
        title=family.title,
        turns=family.turns.format(**sizes),
        exits=len(config.exits) + 1,
        paper=family.paper,
        remarks=f" {origin.remarks}" if origin.remarks else "",
        call=family.call,
        costs=_costs(config),
        figures=_tables(figures),
        limits="\n".join(f"- {limit}" for limit in _limits(config)),
        terms=_terms(origin),
        licences=family.licences,
    )


def _costs(config: CheckpointConfig) -> str:
    from fiancee_hub.measuring.tables import percent, table

    costs, rows = config.costs, []
    for index, macs in enumerate(costs.exits):
        full = index == len(config.exits)
        scale = "full depth" if full else f"{config.exits[index].scale_factor:g}"
        stage = str(config.generator.stages if full else config.exits[index].stage)
        rows.append([str(index + 1), stage, scale, str(macs), percent(macs / costs.full_depth)])
    return table(["exit", "trunk stages", "scale factor", "MACs", "of full depth"], rows)


def _tables(figures: dict[str, Any] | None) -> str:
    if figures is None:
        return (
            "Quality has not been measured on these weights: `python -m fiancee_hub evaluate` "
            "does it, and puts the figures here."
        )
    from fiancee_hub.measuring import tables

    return "\n\n".join(
        [
            f"Measured on split `{figures['split']}` (n = {figures['n']}); `evaluation.json` has "
            "all figures in full precision.",
            tables.budgets(figures["budgets"]),
            tables.exits(figures),
        ]
    )


def _limits(config: CheckpointConfig) -> list[str]:
    limits = [
        "The budget bounds the LPIPS (v0.1, AlexNet) to this model's own full depth, not to a real "
        "photograph: a picture that keeps it can be no better than full depth."
    ]
    calibration = config.calibration
    if not config.exits:
        limits.append("There are no early exits yet: every picture costs full depth.")
    elif calibration is None:
        limits.append("The router is not calibrated: it takes the predictor at its word.")
    else:
        groups = ", ".join(f"{name}: {count}" for name, count in calibration.groups.items())
        limits.append(
            f"With confidence {calibration.confidence:.0%}, at least {calibration.level:.0%} of "
            f"the pictures keep the budget on inputs like the {calibration.samples} of the "
            f"calibration set ({groups}); for other inputs nothing is promised."
        )
    if isinstance(config.generator, OasisConfig):
        names = ", ".join(entry.name for entry in config.classes)
        limits.append(f"It knows {config.generator.classes} classes and no others: {names}.")
    return [*limits, _FAMILIES[config.family].limit]


def _terms(origin: Origin) -> str:
    if origin.license != "other":
        return origin.license
    if origin.license_name in (None, UNSTATED_LICENCE):
        data = f" ({', '.join(origin.datasets)})" if origin.datasets else ""
        return f"bound by the terms of their training data{data}"
    where = f" ({origin.license_link})" if origin.license_link else ""
    return f"{origin.license_name}{where}"
