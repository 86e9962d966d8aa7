"""The model card of any checkpoint, from what its own files say; nothing is left to fill in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from fiancee_hub.core.family import family
from fiancee_hub.core.router import Calibration, allowed, fewest
from fiancee_hub.core.second_test import KEY
from fiancee_hub.hub.config import CheckpointConfig
from fiancee_hub.hub.published import repository_of
from fiancee_hub.measuring import tables

UNSTATED_LICENCE = "terms-of-the-training-data"
PLOT, VALIDITY = "exits.png", "validity.png"

Figures = dict[str, Any]
"""Content of evaluation.json."""


@dataclass(frozen=True)
class Origin:
    """What a checkpoint's own files do not say, or what is to stand there instead.

    Args:
        name: of the model.
        license: the Hub's short name of the terms that the weights are under.
        license_name: name of the terms if ``license`` is "other".
        license_link: where they stand.
        datasets: names of the training data; a single one may be given as a text.
        base_model: repository that this one was made from.
        remarks: sentences on where the weights come from.
    """

    name: str = ""
    license: str = ""
    license_name: str | None = None
    license_link: str | None = None
    datasets: Sequence[str] = ()
    base_model: str | None = None
    remarks: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.datasets, str):  # Otherwise each of its letters would be one.
            object.__setattr__(self, "datasets", (self.datasets,))


@dataclass(frozen=True)
class CardParts:
    """What the cards of a family say.

    Args:
        title: what it does, as in "semantic map to photograph".
        summary: what goes in and what comes out, a sentence, where the domain has none.
        call: Python that renders a picture with ``pipe``, one line or more.
        uses: names that it needs from the package.
        paper: that the generator follows.
        tags: for the Hub.
        inputs: what it is calibrated and measured on, in the plural, as in "maps".
        notice: paragraph that stands before everything else.
        background: paragraph on how it works.
        limits: sentences on what follows from a checkpoint's shape and classes.
        terms: rows of the table of terms: what, and under which.
        pictures: file name and caption of what an evaluation leaves beside the card.
        credits: paragraph on who is shown there.
        results: kind, name and value of the figures that the model index begins with.
        sections: texts and tables that follow those on the exits.
        readme: tables that follow those on the exits in a README.
    """

    title: str
    summary: str
    call: str
    paper: str
    uses: str = "FianceePipeline"
    tags: tuple[str, ...] = ()
    inputs: str = "inputs"
    notice: str = ""
    background: str = ""
    limits: Callable[[CheckpointConfig], Sequence[str]] = field(default=lambda _: ())
    terms: tuple[tuple[str, str], ...] = ()
    pictures: tuple[tuple[str, str], ...] = ()
    credits: str = ""
    results: Callable[[Figures], Sequence[tuple[str, str, float]]] = field(default=lambda _: ())
    sections: Callable[[Figures], Sequence[str]] = field(default=lambda _: ())
    readme: Callable[[Figures], Sequence[str]] = field(default=lambda _: ())


METHOD = """\
{summary} The picture, {width}×{height} pixels, is made by the cheapest of {exits} exits whose \
LPIPS to full depth is predicted to stay within the budget that you set. The generator follows \
{paper}; early exits, guide bank and predictor follow *FIANCEE: Faster Inference of Adversarial \
Networks via Conditional Early Exits* (CVPR 2023, arXiv 2304.10306; its authors published no \
code).{remarks}"""

CALL = """\
```python
from fiancee_hub import {uses}

pipe = FianceePipeline.from_pretrained("{repository}")  # this repository, or its folder
{call}
result.image, result.exit, result.predicted_lpips, result.saving
```"""

UNMEASURED = (
    "Quality has not been measured on these weights: `python -m fiancee_hub evaluate` does it, "
    "and puts the figures here."
)

MEASURED = """\
All from `python -m fiancee_hub evaluate` on {held_out}, which no training phase, no choice and no \
calibration has seen; `evaluation.json` has them in full precision."""

ROUTING = """\
**Routing.** MACs are relative to full depth, predictor and guide look-up included (together \
{overhead}). Full depth is always right, so those that leave early are also judged by themselves. \
The oracle knows every exit's true LPIPS; no router can cost less. The best fixed exit is the \
cheapest single exit that keeps the budget at least as often as the router does, or as often as \
promised; both are picked in hindsight on these very inputs and pay for no predictor. The \
intervals are exact binomial ones, as if inputs were independent: frames of one film look alike, \
so the truth is less certain than they say."""

EXITS = """\
**Exits.** LPIPS to full depth. MACs are an exit's own, guide look-up included; time includes the \
predictor too, and is relative to full depth without it, measured in turn in one run. "Without \
guides" runs the same branches with the guide left out, as in a tenth of their training steps; \
branches trained without any guide would lose less.{times}"""

KEPT_TIMES = " The times are those of an earlier evaluation of these weights ({taken})."

VALIDITY_TEXT = """\
**Does the promise hold?** The {inputs:,} inputs of calibration and evaluation together were split \
{splits:,} times at random into halves, neighbouring frames of a film and pictures of one person \
never apart (independent units: {units}); margins from one half, judged on the other. The share \
of splits in which at least {level:.0%} keep the budget; {confidence:.0%} are promised, for each \
kind and each budget by itself, and as if all inputs were independent. A half is no whole \
population, so a share that is just at the level falls below it there half of the time. Where \
nothing leaves early, the promise is kept."""

RELIABILITY = """\
**The spread.** Margins are multiples of the predicted spread, which claims to reach from the \
predicted mean to the 90 % quantile. The calibration set in fifths by predicted spread: share of \
inputs whose true LPIPS is within mean + spread, and that spread on average."""

BACKENDS = """\
**In other backends and types** pictures differ a little, at full depth too, so every budget was \
tested there again: the pictures of these {inputs} by the exits that the router takes, against \
full depth in eager float32, by exact binomial tests of all of them and of those that leave \
early. In bfloat16 and float16 a budget is refused unless it holds; in float32 if it does not. \
Where too few left early to tell, it counts as not tested."""

TRAINING = """\
Images are counted as often as they were seen; the hours leave out filling the guide bank and \
measuring the predictor's targets."""

BUDGET = (
    "**What the budget means.** It bounds the LPIPS (v0.1, AlexNet) to *this model's own full "
    "depth*, not to a real photograph: a picture that keeps it can be no better than full depth."
)

GUARANTEE = """\
**What the guarantee covers.** With confidence {confidence:.0%} over the draw of the calibration \
set, at least {level:.0%} of the pictures made from *{inputs} like its {samples}* ({groups}) keep \
the budget{early}. It was required of each kind on its own, and holds for each calibrated budget \
by itself, not for all at once ({budgets}; between two of them the smaller one stands in). Frames \
of one film count for less than their number. What you bring is no draw from that set: nothing is \
promised for it, and `pipe.compare` measures the true LPIPS."""


ENOUGH = 100
"""Inputs of a kind from which a card need not say what more of them would buy."""

MORE = (100, 200, 500)
"""Numbers of inputs of a kind of which it is said what they would buy."""

MORE_INPUTS = """\
**What more {inputs} would buy.** {now} Of each kind at least {fewest} must leave early, and all \
of them keep the budget, before anything may leave early at all; {more}: the more there are, the \
nearer to the budget the router may go."""

FULL_DEPTH = "With {count} {inputs} nothing can be promised, so every budget takes full depth."
FEW = "The promise rests on {count} {inputs} of the smallest kind."


def model_card(
    config: CheckpointConfig,
    origin: Origin = Origin(),
    figures: Figures | None = None,
    *,
    training: Mapping[str, Any] | None = None,
    files: Sequence[str] = (),
) -> ModelCard:
    """The card.

    Args:
        config: of the checkpoint.
        origin: name, terms and data, where they are not those of the checkpoint's domain.
        figures: evaluation.json, if it belongs to these very weights.
        training: training.json, what the phases have cost.
        files: names of the pictures that lie beside the card.
    """
    parts = parts_of(config)
    head = _metadata(config, parts, origin, figures).to_yaml()
    paragraphs = [
        f"# {name_of(config, origin)}: {parts.title}",
        parts.notice,
        _method(config, parts, origin),
        CALL.format(uses=parts.uses, call=parts.call, repository=repository_of(config.domain.name)),
        *_pictures(parts, files),
        _headed("How it works", [parts.background]),
        *_figures(config, parts, figures, files),
        _headed("Training", _training(config, training)),
        _headed("Limits", ["\n".join(f"- {limit}" for limit in _limits(config, parts))]),
        _headed("Licence", [_terms(config, parts, origin), "This is no legal advice."]),
    ]
    body = "\n\n".join(paragraph for paragraph in paragraphs if paragraph)
    return ModelCard(f"---\n{head}\n---\n\n{body}\n")


def parts_of(config: CheckpointConfig) -> CardParts:
    """What the checkpoint's family says on its cards."""
    parts: CardParts = family(config.family).card()
    return parts


def name_of(config: CheckpointConfig, origin: Origin = Origin()) -> str:
    """What the card calls the model."""
    return origin.name or f"FIANCEE {config.domain.title.lower() or 'model'}"


def measured_on(config: CheckpointConfig, figures: Figures) -> str:
    """What the figures are about, as part of a sentence."""
    held_out = config.domain.held_out or f"the split `{figures['split']}`"
    return f"{figures['n']} {parts_of(config).inputs} of {held_out}"


def _headed(title: str, paragraphs: Sequence[str]) -> str:
    text = "\n\n".join(paragraph for paragraph in paragraphs if paragraph)
    return f"## {title}\n\n{text}" if text else ""


def _metadata(
    config: CheckpointConfig, parts: CardParts, origin: Origin, figures: Figures | None
) -> ModelCardData:
    results = [] if figures is None else _results(config, parts, origin, figures)
    licence, name = _licence(config, origin)
    return ModelCardData(
        license=licence,
        license_name=name,
        license_link=origin.license_link,
        library_name="fiancee_hub",
        pipeline_tag="image-to-image",
        tags=["early-exit", "fiancee", *parts.tags],
        datasets=list(origin.datasets) or None,
        base_model=origin.base_model,
        metrics=list(dict.fromkeys(result.metric_type for result in results)) or None,
        model_name=name_of(config, origin),
        eval_results=results or None,
    )


def _licence(config: CheckpointConfig, origin: Origin) -> tuple[str, str | None]:
    """The Hub's short name of the terms, and their own name if that is "other"."""
    licence = origin.license or ("other" if origin.license_name else config.domain.licence)
    if licence != "other":
        return licence, None
    return licence, origin.license_name or config.domain.licence_name or UNSTATED_LICENCE


def _results(
    config: CheckpointConfig, parts: CardParts, origin: Origin, figures: Figures
) -> list[EvalResult]:
    measured = list(parts.results(figures))
    for row in figures["exits"]:
        name = f"LPIPS to full depth, exit {row['exit']}"
        measured.append(("lpips", name, row["lpips_mean"]))
    for row in figures["budgets"]:
        budget = f"at LPIPS budget {row['budget']:.2f}"
        measured.append(("macs", f"Mean MACs ratio {budget}", row["mean_macs_ratio"]))
        measured.append(("coverage", f"Coverage {budget}", row["coverage"]))
    data = ", ".join(origin.datasets) or config.domain.title or "held-out data"
    return [
        EvalResult(
            task_type="image-to-image",
            dataset_type=config.domain.name or figures["split"],
            dataset_name=f"{data}, {measured_on(config, figures)}",
            metric_type=kind,
            metric_name=name,
            metric_value=value,
        )
        for kind, name, value in measured
    ]


def _method(config: CheckpointConfig, parts: CardParts, origin: Origin) -> str:
    return METHOD.format(
        summary=config.domain.summary or parts.summary,
        width=config.generator.width,
        height=config.generator.height,
        exits=len(config.exits) + 1,
        paper=parts.paper,
        remarks=f" {origin.remarks}" if origin.remarks else "",
    )


def _pictures(parts: CardParts, files: Sequence[str]) -> list[str]:
    shown = [f"![{text}]({name})" for name, text in parts.pictures if name in files]
    return [*shown, parts.credits] if shown else []


def _figures(
    config: CheckpointConfig, parts: CardParts, figures: Figures | None, files: Sequence[str]
) -> list[str]:
    if figures is None:
        return [_headed("Exits", [_costs(config), UNMEASURED])]
    overhead = tables.percent(figures["overhead_macs_ratio"])
    plot = f"![MACs against LPIPS]({PLOT})" if PLOT in files else ""
    paragraphs = [
        MEASURED.format(held_out=measured_on(config, figures)),
        ROUTING.format(overhead=overhead),
        tables.budgets(figures["budgets"]),
        *_promise(figures, files),
        EXITS.format(times=_times(figures)),
        tables.exits(figures),
        plot,
        *_backends(config, parts, figures),
        *parts.sections(figures),
    ]
    return [_headed("Figures", paragraphs)]


def _promise(figures: Figures, files: Sequence[str]) -> list[str]:
    """Validity and reliability, as far as they were measured."""
    paragraphs = []
    if "validity" in figures:
        found = figures["validity"]
        units = ", ".join(f"{kind} {count}" for kind, count in found["units"].items())
        budgets = [row["budget"] for row in figures["budgets"]]
        paragraphs += [
            VALIDITY_TEXT.format(**(found | {"units": units})),
            tables.validity(found, budgets),
            f"![Share of splits that keep the promise]({VALIDITY})" if VALIDITY in files else "",
        ]
    if "reliability" in figures:
        paragraphs += [RELIABILITY, tables.reliability(figures["reliability"])]
    return paragraphs


def _backends(config: CheckpointConfig, parts: CardParts, figures: Figures) -> list[str]:
    """Second tests of the margins that the checkpoint has now."""
    calibration = config.calibration
    if calibration is None:
        return []
    margins = [calibration.rule(budget)[1] for budget in calibration.budgets]
    tests = [
        test
        for test in figures.get(KEY, ())
        if [row["margin"] for row in test["budgets"]] == margins
    ]
    if not tests:
        return []
    budgets = [row["budget"] for row in figures["budgets"]]
    return [BACKENDS.format(inputs=parts.inputs), tables.backends(tests, budgets)]


def _times(figures: Figures) -> str:
    times = figures.get("times", {})
    if not times.get("kept"):
        return ""
    return KEPT_TIMES.format(taken=times["taken"] or "its date was not noted")


def _costs(config: CheckpointConfig) -> str:
    costs, rows = config.costs, []
    for index, macs in enumerate(costs.exits):
        full = index == len(config.exits)
        scale = "full depth" if full else f"{config.exits[index].scale_factor:g}"
        stage = str(config.generator.stages if full else config.exits[index].stage)
        ratio = tables.percent(macs / costs.full_depth)
        rows.append([str(index + 1), stage, scale, str(macs), ratio])
    return tables.table(["exit", "trunk stages", "scale factor", "MACs", "of full depth"], rows)


def _training(config: CheckpointConfig, notes: Mapping[str, Any] | None) -> list[str]:
    sources = "\n".join(f"- {source}" for source in config.domain.sources)
    if not notes:
        return [sources]
    return [tables.training(dict(notes)), TRAINING, sources]


def _limits(config: CheckpointConfig, parts: CardParts) -> list[str]:
    limits = [*config.domain.limits, *parts.limits(config), BUDGET]
    calibration = config.calibration
    if not config.exits:
        return [*limits, "There are no early exits yet: every picture costs full depth."]
    if calibration is None:
        return [*limits, "The router is not calibrated: it takes the predictor at its word."]
    guarantee = GUARANTEE.format(
        confidence=calibration.confidence,
        level=calibration.level,
        early=_early(calibration),
        inputs=parts.inputs,
        samples=calibration.samples,
        groups=", ".join(f"{name}: {count}" for name, count in calibration.groups.items()),
        budgets=_budgets(calibration.budgets),
    )
    return [*limits, guarantee, *_more_inputs(calibration, parts)]


def _more_inputs(calibration: Calibration, parts: CardParts) -> list[str]:
    """What a larger calibration set would buy, where there are few inputs of a kind."""
    level, confidence = calibration.level, calibration.confidence
    count = min(calibration.groups.values(), default=calibration.samples)
    if count >= ENOUGH:
        return []
    early = any(margin is not None for margin in calibration.margins)
    now = (FEW if early else FULL_DEPTH).format(count=count, inputs=parts.inputs)
    more = [f"of {n}, {misses} may miss" for n in MORE if (misses := allowed(n, level, confidence))]
    return [
        MORE_INPUTS.format(
            inputs=parts.inputs, now=now, fewest=fewest(level, confidence), more=", ".join(more)
        )
    ]


def _early(calibration: Calibration) -> str:
    if calibration.early_level is None:
        return "; of those that leave early alone nothing is promised"
    return (
        f", and so do at least {calibration.early_level:.0%} of those among them that leave early "
        "(where the set had too few of them to tell, nothing leaves early)"
    )


def _budgets(budgets: Sequence[float]) -> str:
    if len(budgets) < 2:
        return ", ".join(f"{budget:g}" for budget in budgets) or "none"
    return f"{len(budgets)} from {budgets[0]:g} to {budgets[-1]:g}"


def _terms(config: CheckpointConfig, parts: CardParts, origin: Origin) -> str:
    rows = [
        ("code", "Apache-2.0"),
        ("weights", _weights(config, origin)),
        *parts.terms,
        ("LPIPS", "BSD-2-Clause, its AlexNet BSD-3-Clause"),
        (
            "patents",
            "applications by the authors of FIANCEE exist: WO2024100564A1, US20240177273A1",
        ),
    ]
    return tables.table(["what", "terms"], [list(row) for row in rows])


def _weights(config: CheckpointConfig, origin: Origin) -> str:
    """Terms of the weights: those given, those of the domain, or those of the data."""
    where = f" ({origin.license_link})" if origin.license_link else ""
    if origin.license not in ("", "other"):
        return origin.license
    if origin.license_name not in (None, UNSTATED_LICENCE):
        return f"{origin.license_name}{where}"
    if config.domain.terms:
        return config.domain.terms
    data = f" ({', '.join(origin.datasets)})" if origin.datasets else ""
    return f"bound by the terms of their training data{data}"
